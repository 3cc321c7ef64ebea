"""One service on a network for all tests of a file."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.network_namespaces import Network, missing
from settings import Settings
from tests.support.network import NetworkedService


@pytest.fixture(scope="module")
def shared_service(
    colour_network: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NetworkedService]:
    if reason := missing():
        pytest.skip(reason)

    def make_settings(**changes: object) -> Settings:
        values = colour_network | {"key_prefix": f"{uuid.uuid4().hex}:"} | changes
        return Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]

    with Network() as network:
        service = NetworkedService(network, make_settings, tmp_path_factory.mktemp("network"))
        with closing(service):
            service.start()
            yield service
        assert service.services.running() == []


@pytest.fixture
def service(shared_service: NetworkedService) -> Iterator[NetworkedService]:
    """The service; the network's faults end with the test."""
    yield shared_service
    shared_service.heal()
