"""A Redis with TLS and the documented ACL: the service works, and has no access to other keys."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import requests
from pydantic import SecretStr

from benchmarks.services import TIMEOUT_S, Services, wait_until
from errors import TooManyRequests, Unauthorized
from jobs.connection import connect
from jobs.sentinel import Sentinel
from project import PROJECT_DIR
from redis_url import parse_sentinel_url
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.support.certificates import certificate as certificate
from tests.support.clients import label, post, posting
from tools.embedded_redis import find_server, free_port
from web.access import WRONG_KEYS_LIMIT, Access

PASSWORD = "hunter2"  # noqa: S105


@contextmanager
def redis_with_tls(certificate: tuple[Path, Path]) -> Iterator[tuple[int, Client]]:
    """Run a server that accepts only TLS; yield its port and a client with all rights."""
    port = free_port()
    tls = ["--port", "0", "--tls-port", str(port), "--tls-cert-file", str(certificate[0])]
    tls += [
        "--tls-key-file",
        str(certificate[1]),
        "--tls-ca-cert-file",
        str(certificate[0]),
        "--tls-auth-clients",
        "no",
    ]
    command = [str(find_server()), "--bind", "127.0.0.1", "--save", "", *tls]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            client = redis.Redis("127.0.0.1", port, ssl=True, ssl_ca_certs=str(certificate[0]), decode_responses=True)
            with client:
                wait_until(lambda: pings(client) or server.poll() is not None)
                if server.poll() is not None and server.stdout:
                    pytest.skip(f"needs a redis-server with TLS, such as Debian's: {server.stdout.read()[-200:]}")
                yield port, client
        finally:
            server.terminate()
            server.communicate(timeout=TIMEOUT_S)


def pings(client: Client) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_without_a_password_every_new_connection_over_tls_works(
    certificate: tuple[Path, Path], make_settings: MakeSettings
) -> None:
    with redis_with_tls(certificate) as (port, _admin):
        settings = make_settings(redis_url=f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate[0]}")
        for _ in range(100):
            with connect(settings) as client:
                assert client.time()


def test_without_a_password_every_new_connection_to_a_sentinel_over_tls_works(
    certificate: tuple[Path, Path], make_settings: MakeSettings
) -> None:
    with redis_with_tls(certificate) as (port, _admin):
        url = parse_sentinel_url(f"rediss+sentinel://127.0.0.1:{port}/mymaster?ssl_ca_certs={certificate[0]}")
        sentinels = [Sentinel(make_settings(), url, url.sentinels[0]) for _ in range(100)]
        # It answers, and is none.
        assert [sentinel.ask() for sentinel in sentinels] == [None] * 100
        assert all("unknown command" in sentinel.failure for sentinel in sentinels)


def documented_acl() -> list[str]:
    text = re.search(r"```\nACL SETUSER (.*?)```", (PROJECT_DIR / "docs" / "security.md").read_text(), re.DOTALL)
    assert text
    return text[1].replace("PASSWORD", PASSWORD).split()


@pytest.fixture
def admin_and_settings(
    certificate: tuple[Path, Path], colour_settings: MakeSettings
) -> Iterator[tuple[Client, Settings]]:
    with redis_with_tls(certificate) as (port, admin):
        admin.execute_command("ACL", "SETUSER", *documented_acl())
        url = f"rediss://classifier:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={certificate[0]}"
        yield (
            admin,
            colour_settings(
                redis_url=url, key_prefix="classifier:", rate_limit="1000/minute", web_processes=1, cache_ttl_s=60
            ),
        )


def test_the_service_works_over_tls_with_only_the_documented_rights(
    admin_and_settings: tuple[Client, Settings], tmp_path: Path
) -> None:
    admin, settings = admin_and_settings
    services = Services(settings, tmp_path)
    try:
        worker = services.start_worker()
        web_server, url = services.start_web_server(WORKER_GRACE_S=60, POLL_INTERVAL_S=0.1)
        assert [post(url, "red").json().get("cached") for _ in range(2)] == [None, True]
        wait_until(lambda: "classifier_redis_up 1.0" in requests.get(f"{url}/metrics", timeout=5).text)
        # A lost job, so that recovery runs all its commands, too.
        worker.stop()
        with posting(url, "blue") as (future,):
            wait_until(lambda: admin.lpop("classifier:image_queue"))
            wait_until(lambda: "job_lost" in web_server.output)
            worker = services.start_worker()
            assert label(future.result()) == "blue"
    finally:
        services.close()
    assert admin.acl_log() == []
    assert PASSWORD not in worker.output + web_server.output


def test_wrong_api_keys_are_counted_with_only_the_documented_rights(
    admin_and_settings: tuple[Client, Settings],
) -> None:
    admin, settings = admin_and_settings
    access = Access(settings.model_copy(update={"api_keys": SecretStr("right")}))
    for _ in range(WRONG_KEYS_LIMIT.amount):
        with pytest.raises(Unauthorized):
            access.check("Bearer wrong", "192.0.2.1")
    with pytest.raises(TooManyRequests):
        access.check("Bearer wrong", "192.0.2.1")
    assert admin.acl_log() == []


def test_its_user_has_no_rights_outside_of_its_key_prefix(
    admin_and_settings: tuple[Client, Settings],
) -> None:
    admin, settings = admin_and_settings
    admin.set("other:secret", "x")
    with redis.Redis.from_url(settings.redis_url.get_secret_value()) as user:
        for command in (
            ["GET", "other:secret"],
            ["SET", "other:key", "x"],
            ["KEYS", "*"],
            ["SCAN", "0"],
            ["CONFIG", "GET", "*"],
            ["FLUSHALL"],
            ["ACL", "LIST"],
            ["PUBLISH", "other:channel", "x"],
            ["SUBSCRIBE", "other:channel"],
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                user.execute_command(*command)


def test_a_wrong_password_is_reported_without_showing_it(
    admin_and_settings: tuple[Client, Settings], colour_settings: MakeSettings, tmp_path: Path
) -> None:
    _, settings = admin_and_settings
    wrong = settings.redis_url.get_secret_value().replace(PASSWORD, "wr0ngpass")
    services = Services(colour_settings(redis_url=wrong), tmp_path)
    try:
        _, url = services.start_web_server()
        assert post(url, "red").status_code == 503
        worker = services.start("run_model_server.py")
        wait_until(lambda: "redis_unavailable" in worker.output)
        assert "invalid username-password" in worker.output
        assert "wr0ngpass" not in worker.output
    finally:
        services.close()
