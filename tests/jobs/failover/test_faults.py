"""What becomes of requests when the master is killed, suspended, cut off or demoted."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from benchmarks.redis_parts import RedisServer
from benchmarks.replicated_redis import ReplicatedRedis
from benchmarks.services import wait_until
from errors import ServiceUnavailable
from jobs.client import JobClient
from jobs.connection import RETRY_AFTER_S
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import MakeSettings
from tests.jobs.failover.conftest import change_master
from tests.jobs.failover.requests import BACK_WITHIN_S, QUICK, accepts, classify, working

IN_HAND = 8


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(**QUICK)


def loses(server: RedisServer, key: str) -> bool:
    """Delete a key, as soon as the server has a replica and takes writes."""
    try:
        server.client.delete(key)
    except redis.ResponseError:
        return False
    return True


def kill(fleet: ReplicatedRedis, master: RedisServer) -> None:
    master.kill()


def stop(fleet: ReplicatedRedis, master: RedisServer) -> None:
    master.stop()


def cut_off(fleet: ReplicatedRedis, master: RedisServer) -> None:
    master.cable.stop()


def demote(fleet: ReplicatedRedis, master: RedisServer) -> None:
    change_master(fleet)


@pytest.mark.parametrize("fault", [kill, stop, cut_off, demote])
def test_requests_in_hand_are_answered_and_new_ones_accepted_soon_after_another_master_was_elected(
    fault: Callable[[ReplicatedRedis, RedisServer], None], fleet: ReplicatedRedis, settings: Settings, keys: Keys
) -> None:
    old = fleet.live_master()
    jobs = JobClient(settings)
    with working(settings) as network, ThreadPoolExecutor(IN_HAND) as pool:
        answers = pool.map(lambda name: classify(jobs, settings, name), range(IN_HAND))
        wait_until(lambda: len(network.inside) + old.client.llen(keys.queue) == IN_HAND)
        fault(fleet, old)
        wait_until(lambda: fleet.master() not in (None, old))
        elected = time.monotonic()
        # As if they had not been replicated yet.
        wait_until(lambda: loses(fleet.live_master(), keys.queue))
        network.release(*range(IN_HAND))
        wait_until(lambda: accepts(jobs, settings))
        back_s = time.monotonic() - elected
        assert list(answers) == [f"label of {name}" for name in range(IN_HAND)]
    assert back_s < BACK_WITHIN_S


def test_new_requests_are_refused_with_a_time_to_try_again_while_there_is_no_master(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    jobs = JobClient(settings)
    with working(settings) as network:
        network.release(0)
        assert accepts(jobs, settings)
        fleet.live_master().kill()
        with pytest.raises(ServiceUnavailable, match="out of reach") as refused:
            classify(jobs, settings)
        assert refused.value.retry_after_s == RETRY_AFTER_S
