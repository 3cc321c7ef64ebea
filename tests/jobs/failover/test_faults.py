"""What becomes of requests when the master is killed, stopped, cut off or demoted, or no Sentinel answers."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import redis
from limits import RateLimitItemPerMinute

from benchmarks.replicated_redis import RedisServer, ReplicatedRedis
from benchmarks.services import wait_until
from errors import QueueUnavailable
from jobs.client import JobClient
from jobs.clock import RedisClock
from jobs.connection import RETRY_AFTER_S, connect
from jobs.hang_detector import connect_impatiently
from jobs.master_connection import NotTheMaster
from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import MakeSettings, heartbeat
from tests.jobs.failover.conftest import demoted, disconnect_clients
from tests.support.batch_loops import ONE_PIXEL, HeldNetwork, lanes
from tests.support.fake_worker import request_deadline
from tools.embedded_redis import free_port
from web.request_counter import RequestCounter
from worker import batch_loop

IN_HAND = 8
BACK_WITHIN_S = 5

numbers = itertools.count(1)


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(**ONE_PIXEL, poll_interval_s=0.3, heartbeat_ttl_s=2)


@contextmanager
def working(settings: Settings) -> Iterator[HeldNetwork]:
    """A living worker; it answers nothing until its network is released."""
    network = HeldNetwork()
    with heartbeat(settings), lanes(settings, network, count=2):
        yield network


def classify(jobs: JobClient, settings: Settings, name: int = 0) -> str:
    """Have the picture of this name classified."""
    result = jobs.classify(bytes([name] * 3), f"{next(numbers):032x}", request_deadline(settings))
    return result.predictions[0].label


def accepts(jobs: JobClient, settings: Settings) -> bool:
    try:
        return classify(jobs, settings) == "label of 0"
    except QueueUnavailable:
        return False


def times_asked(server: RedisServer) -> int:
    """Return how often a server was asked for its time."""
    calls: int = server.client.info("commandstats").get("cmdstat_time", {}).get("calls", 0)
    return calls


def change_master(fleet: ReplicatedRedis) -> RedisServer:
    old = fleet.live_master()
    wait_until(fleet.fail_over)
    wait_until(lambda: fleet.master() is not old)
    return fleet.live_master()


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
    wait_until(fleet.fail_over)


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
        with pytest.raises(QueueUnavailable, match="out of reach") as refused:
            classify(jobs, settings)
        assert refused.value.retry_after_s == RETRY_AFTER_S


def test_no_request_is_refused_when_the_master_is_demoted_in_good_order(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 0.1)
    for server in fleet.servers:  # a new master has no replicas for a moment; the fixture sets it again
        server.client.config_set("min-replicas-to-write", 0)
    old = fleet.live_master()
    jobs = JobClient(settings)
    with working(settings) as network, ThreadPoolExecutor(IN_HAND) as pool:
        network.release(*range(256))

        def until_demoted(name: int) -> set[str]:
            labels = set()
            while not old.has_role("slave"):
                labels.add(classify(jobs, settings, name))
            return labels | {classify(jobs, settings, name)}

        answers = pool.map(until_demoted, range(IN_HAND))
        wait_until(fleet.fail_over)
        assert list(answers) == [{f"label of {name}"} for name in range(IN_HAND)]


def test_scripts_run_on_a_master_that_has_never_seen_them(fleet: ReplicatedRedis, settings: Settings) -> None:
    monitor, counter = QueueMonitor(settings), RequestCounter(settings, connect_impatiently(settings))
    hit = RateLimitItemPerMinute(10)
    assert monitor.state()
    assert counter.hit(hit, "a") == 0
    change_master(fleet).client.script_flush()
    wait_until(monitor.state, timeout_s=BACK_WITHIN_S)
    assert counter.hit(hit, "a") == 0


def test_the_offset_of_the_clock_is_read_again_from_another_master(fleet: ReplicatedRedis, settings: Settings) -> None:
    clock = RedisClock(connect(settings))
    clock.now()
    new = change_master(fleet)
    before = times_asked(new)
    wait_until(lambda: clock.now() and times_asked(new) > before, timeout_s=BACK_WITHIN_S)
    asked = times_asked(new)
    clock.now()
    assert times_asked(new) == asked


def test_without_any_sentinel_open_and_new_connections_work_with_the_last_known_master(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    jobs = JobClient(settings)
    with working(settings) as network:
        network.release(0)
        assert accepts(jobs, settings)
        for sentinel in fleet.sentinels:
            sentinel.kill()
        assert classify(jobs, settings) == "label of 0"
        disconnect_clients(fleet.servers)
        wait_until(lambda: accepts(jobs, settings), timeout_s=BACK_WITHIN_S)
        assert classify(JobClient(settings), settings) == "label of 0"


def test_without_any_sentinel_a_replica_is_not_taken_for_the_master(fleet: ReplicatedRedis, settings: Settings) -> None:
    client = connect(settings)
    client.ping()
    master = fleet.live_master()
    for sentinel in fleet.sentinels:
        sentinel.kill()
    with demoted(master):
        disconnect_clients([master])
        with pytest.raises(NotTheMaster, match="is not the master"):
            client.ping()


def test_a_process_that_has_never_found_a_sentinel_refuses_and_names_each_in_the_log(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    settings = make_settings(redis_url=f"redis+sentinel://:hunter2@127.0.0.1:{port}/mymaster", key_prefix="none:")
    with pytest.raises(QueueUnavailable, match="out of reach"):
        QueueMonitor(settings).check_queue()
    failed, unavailable = (record.fields for record in caplog.records)  # type: ignore[attr-defined]
    assert failed["sentinel"] == f"127.0.0.1:{port}"
    assert str(unavailable["error"]) == "no Sentinel names a master of 'mymaster'"
    assert "hunter2" not in f"{failed}{unavailable}"


def test_the_watching_thread_ends_with_the_last_connection(fleet: ReplicatedRedis, settings: Settings) -> None:
    others = set(threading.enumerate())
    with connect(settings) as client:
        client.ping()
        (watching,) = set(threading.enumerate()) - others
    watching.join(timeout=BACK_WITHIN_S)
    assert not watching.is_alive()
