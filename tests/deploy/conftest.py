"""Fixtures of the tests of `deploy/`: two web servers and a worker behind the machine's nginx."""

import getpass
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.services import Process, Services, answers, wait_until
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import MakeSettings
from tools.embedded_redis import free_port

DEPLOY = PROJECT_DIR / "deploy"
# Debian's nginx lies where only root's PATH leads.
SBIN = f"{os.defpath}:/usr/sbin"
API_KEY = "right"
BEHIND_NGINX: dict[str, object] = {
    "batch_size": 4,
    "trusted_proxies": 1,
    "web_processes": 1,
}


class Site(NamedTuple):
    """What clients see, and what is behind it."""

    url: str
    web_servers: list[Process]
    access_log: Path


@pytest.fixture(scope="session")
def nginx_path() -> str:
    path = shutil.which("nginx") or shutil.which("nginx", path=SBIN)
    if not path:
        pytest.skip("there is no nginx; apt-get install nginx-light")
    return path


def nginx_command(nginx_path: str, folder: Path, port: int, web_ports: list[int]) -> list[str]:
    """Return what runs `deploy/nginx.conf` with other addresses, and with its files in a folder."""
    text = (DEPLOY / "nginx.conf").read_text()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    for old, new in [
        ("/var/log/nginx", str(folder)),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("web-1:5000", f"127.0.0.1:{web_ports[0]}"),
        ("web-2:5000", f"127.0.0.1:{web_ports[1]}"),
        ("http {", f"http {{\n{temporary}"),
    ]:
        assert text.count(old) > 0, old
        text = text.replace(old, new)
    config = folder / "nginx.conf"
    config.write_text(text)
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
    return [nginx_path, "-p", str(folder), "-c", str(config), "-g", f"{user}daemon off; pid {folder}/nginx.pid;"]


@contextmanager
def site_behind_nginx(services: Services, nginx_path: str, folder: Path) -> Iterator[Site]:
    """Run a worker, two web servers, and nginx before these."""
    services.start_worker()
    web_servers = [services.start_web_server(API_KEYS=API_KEY) for _ in range(2)]
    port = free_port()
    ports = [int(url.rpartition(":")[2]) for _, url in web_servers]
    nginx = services.start_command(nginx_command(nginx_path, folder, port, ports))
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/livez") or nginx.popen.poll() is not None)
    assert nginx.popen.poll() is None, nginx.output
    yield Site(url, [process for process, _ in web_servers], folder / "access.log")
    assert nginx.stop() == 0


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(**BEHIND_NGINX)


@pytest.fixture
def site(services: Services, nginx_path: str, tmp_path: Path) -> Iterator[Site]:
    """A site of the test's own, whose parts it may break."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    with site_behind_nginx(services, nginx_path, folder) as site:
        yield site


@pytest.fixture(scope="module")
def shared_site(
    redis_url: str, colour_network: dict[str, object], nginx_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site for all tests of a module that leave it whole."""
    changes = colour_network | BEHIND_NGINX | {"redis_url": redis_url, "key_prefix": f"{uuid.uuid4().hex}:"}
    services = Services(Settings(_env_file=None, **changes), tmp_path_factory.mktemp("services"))  # type: ignore[call-arg, arg-type]
    try:
        with site_behind_nginx(services, nginx_path, tmp_path_factory.mktemp("nginx")) as site:
            yield site
    finally:
        services.close()
    assert services.running() == []
