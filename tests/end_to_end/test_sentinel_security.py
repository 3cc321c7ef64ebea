"""A Redis that fails over, with TLS and the documented ACLs: the service outlives its master."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import redis
import requests

from benchmarks.redis_parts import connect as connect_to
from benchmarks.replicated_redis import SAFE, ReplicatedRedis
from benchmarks.sentinel_view import SERVICE
from benchmarks.services import Services, wait_until
from jobs.connection import connect
from jobs.protocol import Keys
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import MakeSettings
from tests.jobs.failover.requests import BACK_WITHIN_S
from tests.support.certificates import certificate as certificate
from tests.support.clients import label, post
from tests.support.faults import FAST_DETECTION

# Of the Redis servers, and of the Sentinels.
PASSWORD, SENTINEL_PASSWORD = "hunter2", "hunter3"
ADMIN = "user default on >admin ~* &* +@all"


def documented_users() -> list[list[str]]:
    """The users of each block of ACLs in the documentation, as a server's file has them."""
    text = (PROJECT_DIR / "docs" / "security.md").read_text()
    blocks = re.findall(r"```\n(ACL SETUSER .*?)```", text, re.DOTALL)
    return [[f"user {' '.join(user.split())}" for user in block.split("ACL SETUSER")[1:]] for block in blocks]


def acl_file(path: Path, users: list[str], password: str) -> Path:
    path.write_text("\n".join([ADMIN, *users]).replace("PASSWORD", password) + "\n")
    return path


@pytest.fixture(scope="module")
def fleet(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedRedis]:
    """Everything with TLS and ACLs."""
    folder = tmp_path_factory.mktemp("redis")
    (service,), others, sentinels, (keda, keda_there) = documented_users()
    servers = acl_file(folder / "servers.acl", [f"{service} +role", *others, keda], PASSWORD)
    watchers = acl_file(folder / "sentinels.acl", [*sentinels, keda_there], SENTINEL_PASSWORD)
    tls = {
        "tls-cert-file": certificate[0],
        "tls-key-file": certificate[1],
        "tls-ca-cert-file": certificate[0],
        "tls-auth-clients": "no",
        "tls-replication": "yes",
    }
    of_servers = tls | {"aclfile": servers, "masteruser": "replica", "masterauth": PASSWORD}
    of_sentinels = tls | {
        "aclfile": watchers,
        f"sentinel auth-user {SERVICE}": "sentinel",
        f"sentinel auth-pass {SERVICE}": PASSWORD,
        "sentinel sentinel-user": "sentinel",
        "sentinel sentinel-pass": SENTINEL_PASSWORD,
    }
    login = {"password": "admin", "ssl": True, "ssl_ca_certs": str(certificate[0])}
    with ReplicatedRedis(
        folder,
        options=[*SAFE, *(text for name, value in of_servers.items() for text in (f"--{name}", str(value)))],
        sentinel_options=[f"{name} {value}" for name, value in of_sentinels.items()],
        login=login,
        sentinel_login=login,
    ) as fleet:
        yield fleet


@pytest.fixture
def settings(fleet: ReplicatedRedis, certificate: tuple[Path, Path], colour_settings: MakeSettings) -> Settings:
    return colour_settings(
        redis_url=f"rediss+sentinel://classifier:{PASSWORD}@{fleet.hosts}/{SERVICE}/0?ssl_ca_certs={certificate[0]}",
        sentinel_user="classifier",
        sentinel_password=SENTINEL_PASSWORD,
        key_prefix="classifier:",
        rate_limit="1000/minute",
        cache_ttl_s=60,
        **FAST_DETECTION,
    )


def asked(url: str, colour: str) -> str:
    """Have a picture classified; where the machine is busy, Sentinels may have started one more election."""
    answers = []

    def is_answered() -> bool:
        answers.append(post(url, colour))
        return answers[-1].status_code != 503

    wait_until(is_answered)
    return label(answers[-1])


def test_the_service_outlives_its_master_over_tls_with_only_the_documented_rights(
    fleet: ReplicatedRedis, services: Services
) -> None:
    fleet.repair()
    for client in (*fleet.sentinel_clients, *(server.client for server in fleet.servers)):
        client.acl_log_reset()
    worker = services.start_worker()
    web_server, url = services.start_web_server()
    assert asked(url, "red") == "red"
    old = fleet.live_master()
    old.kill()
    refused = post(url, "blue")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    wait_until(lambda: fleet.master() not in (None, old))
    elected = time.monotonic()
    assert asked(url, "blue") == "blue"
    assert time.monotonic() - elected < BACK_WITHIN_S
    assert asked(url, "green") == "green"
    clients = [*fleet.sentinel_clients, *(server.client for server in fleet.servers if server.running)]
    assert [client.acl_log() for client in clients] == [[]] * len(clients)
    for output in (worker.output, web_server.output):
        assert "master_changed" in output
        assert PASSWORD not in output
        assert SENTINEL_PASSWORD not in output


def test_a_process_of_a_web_server_that_is_started_again_knows_the_master_while_no_sentinel_answers(
    fleet: ReplicatedRedis, services: Services
) -> None:
    fleet.repair()
    services.start_worker()
    web_server, url = services.start_web_server()
    assert asked(url, "red") == "red"
    for sentinel in fleet.sentinels:
        sentinel.kill()
    (process,) = psutil.Process(web_server.popen.pid).children()
    process.kill()

    def answers() -> bool:
        try:
            return post(url, "blue").status_code == 200
        except requests.ConnectionError:
            return False

    wait_until(answers)
    fleet.repair()


def test_a_handshake_with_a_master_that_hangs_ends_when_another_one_is_elected(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    fleet.repair()
    old = fleet.live_master()
    old.cable.stop()
    try:
        with (
            ThreadPoolExecutor(1) as pool,
            connect(settings, connect_timeout_s=2 * BACK_WITHIN_S, socket_timeout_s=2 * BACK_WITHIN_S) as client,
        ):
            assert pool.submit(client.time).result(timeout=BACK_WITHIN_S)
        assert fleet.master() is not old
    finally:
        fleet.resume()


def test_a_wrong_password_of_the_sentinels_is_reported_without_showing_it(services: Services) -> None:
    web_server, url = services.start_web_server(SENTINEL_PASSWORD="wr0ngpass")  # noqa: S106
    assert post(url, "red").status_code == 503
    assert "sentinel_failed" in web_server.output
    assert "invalid username-password" in web_server.output
    assert "wr0ngpass" not in web_server.output


def test_keda_finds_the_master_and_counts_the_queued_jobs_with_only_the_documented_rights(
    fleet: ReplicatedRedis, settings: Settings, certificate: tuple[Path, Path]
) -> None:
    fleet.repair()
    login = {"username": "keda", "ssl": True, "ssl_ca_certs": str(certificate[0])}
    with connect_to(fleet.sentinel_ports[0], password=SENTINEL_PASSWORD, **login) as sentinel:
        assert sentinel.ping()
        address = sentinel.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        assert len(sentinel.execute_command("SENTINEL SENTINELS", SERVICE)) == 2
        with sentinel.pubsub() as messages:
            messages.subscribe("+switch-master")
            assert messages.get_message(timeout=60)
    with connect_to(int(address[1]), password=PASSWORD, **login) as master:
        assert master.ping()
        jobs = fleet.live_master().client.rpush(Keys(settings).queue, "a job")
        script = "return {redis.call('TYPE', KEYS[1]).ok, redis.call('LLEN', KEYS[1])}"
        assert master.eval(script, 1, Keys(settings).queue) == ["list", jobs]
        with pytest.raises(redis.exceptions.NoPermissionError):
            master.lpop(Keys(settings).queue)
