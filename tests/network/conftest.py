"""One service on a network for all tests of a file."""

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks.network_namespaces import Network, missing
from settings import Settings
from tests.conftest import MakeSettings
from tests.support.failover_network import FailoverService
from tests.support.network import NetworkedService


@pytest.fixture(scope="module")
def make_network_settings(colour_network: dict[str, object]) -> MakeSettings:
    """Makes settings that serve the colour network, with a key prefix of the file's own."""
    prefix = f"{uuid.uuid4().hex}:"

    def make(**changes: object) -> Settings:
        values = colour_network | {"key_prefix": prefix} | changes
        return Settings(_env_file=None, **values)  # type: ignore[call-arg, arg-type]

    return make


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    if reason := missing():
        pytest.skip(reason)
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def shared_service(
    network: Network, make_network_settings: MakeSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NetworkedService]:
    service = NetworkedService(network, make_network_settings, tmp_path_factory.mktemp("network"))
    with closing(service):
        service.start()
        yield service
    assert service.services.running() == []


@pytest.fixture
def service(shared_service: NetworkedService) -> Iterator[NetworkedService]:
    """The service; the network's faults end with the test."""
    yield shared_service
    shared_service.heal()


@pytest.fixture(scope="module")
def shared_failover_service(
    network: Network, make_network_settings: MakeSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FailoverService]:
    service = FailoverService(network, make_network_settings, tmp_path_factory.mktemp("network"))
    with service.running():
        yield service
    assert service.services.running() == []


@pytest.fixture
def failover_service(shared_failover_service: FailoverService) -> Iterator[FailoverService]:
    """The service whose Redis fails over; the network's faults end with the test."""
    yield shared_failover_service
    shared_failover_service.network.heal()
    shared_failover_service.wait_until_whole()
