"""Fixtures of the tests of `deploy/`: two web servers and a worker behind the machine's nginx."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.nginx import nginx_command
from benchmarks.services import Process, Services, answers, wait_until
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.nginx import installed_nginx
from tools.embedded_redis import free_port

DEPLOY = PROJECT_DIR / "deploy"
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
    return installed_nginx()


@contextmanager
def site_behind_nginx(services: Services, nginx_path: str, folder: Path) -> Iterator[Site]:
    """Run a worker, two web servers, and nginx before these."""
    services.start_worker()
    web_servers = [services.start_web_server(API_KEYS=API_KEY) for _ in range(2)]
    address = f"127.0.0.1:{free_port()}"
    addresses = [url.removeprefix("http://") for _, url in web_servers]
    nginx = services.start_command(nginx_command(nginx_path, folder, address, addresses))
    url = f"http://{address}"
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
