"""How connections, scripts and clocks follow the master, and what they do when no Sentinel answers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn

import pytest
import redis
from limits import RateLimitItemPerMinute

from benchmarks.redis_parts import RedisServer
from benchmarks.replicated_redis import ReplicatedRedis
from benchmarks.sentinel_view import SERVICE
from benchmarks.services import wait_until
from errors import ServiceUnavailable
from jobs import master_locator, sentinel
from jobs.client import JobClient
from jobs.clock import RedisClock
from jobs.connection import connect
from jobs.hang_detector import HangDetector, connect_impatiently
from jobs.master_connection import NotTheMaster, locate_master
from jobs.master_locator import MasterLocator
from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from jobs.reply_channels import ReplyChannels
from settings import Settings
from tests.conftest import Client, MakeSettings
from tests.jobs.failover.conftest import change_master, demoted, disconnect_clients, take_writes_without_replicas
from tests.jobs.failover.requests import BACK_WITHIN_S, QUICK, accepts, classify, working
from tests.support.hanging_redis import silent_server
from tools.embedded_redis import free_port
from web.request_counter import RequestCounter
from worker import batch_loop

CLIENTS = 8


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(**QUICK)


def times_asked(server: RedisServer) -> int:
    """Return how often a server was asked for its time."""
    calls: int = server.client.info("commandstats").get("cmdstat_time", {}).get("calls", 0)
    return calls


def answers(client: Client) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def watching_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "sentinel"}


def patient_client(settings: Settings) -> redis.Redis:
    """Return a client that waits for longer than a failover takes."""
    return connect(settings, connect_timeout_s=2 * BACK_WITHIN_S, socket_timeout_s=2 * BACK_WITHIN_S)


@contextmanager
def never_demoted(master: RedisServer) -> Iterator[RedisServer]:
    """Have Sentinels fail to make it a replica."""
    master.client.execute_command("ACL SETUSER", "default", "-replicaof", "-slaveof")
    try:
        yield master
    finally:
        master.client.execute_command("ACL SETUSER", "default", "+replicaof", "+slaveof")


@contextmanager
def only_an_outdated_sentinel(
    fleet: ReplicatedRedis, settings: Settings
) -> Iterator[tuple[MasterLocator, RedisServer, RedisServer]]:
    """Have one Sentinel answer, which has missed a failover; yield who knows better, and the two masters."""
    outdated, *others = fleet.sentinels
    outdated.kill()
    former, new = fleet.live_master(), change_master(fleet)
    locator = MasterLocator(settings)
    locator.ask()
    for other in others:
        other.kill()
    outdated.start()
    wait_until(lambda: answers(fleet.sentinel_clients[0]))
    yield locator, former, new


def lacks_replicas(server: RedisServer) -> bool:
    return not server.client.info("replication")["min_slaves_good_slaves"]


def replace_master(fleet: ReplicatedRedis, former: RedisServer) -> RedisServer:
    """Have another one, while the former, without replicas, still takes itself for it."""
    new = change_master(fleet)
    wait_until(lambda: lacks_replicas(former) and not lacks_replicas(new))
    return new


def test_no_request_is_refused_when_the_master_is_demoted_in_good_order(
    fleet: ReplicatedRedis, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine it may take longer than the worker counts as alive without a heartbeat.
    settings = make_settings(**QUICK | {"heartbeat_ttl_s": 30})
    monkeypatch.setattr(batch_loop, "RECONNECT_WAIT_S", 0.1)
    take_writes_without_replicas(fleet)
    old = fleet.live_master()
    jobs = JobClient(settings)
    with working(settings) as network, ThreadPoolExecutor(CLIENTS) as pool:
        network.release(*range(256))

        def until_demoted(name: int) -> set[str]:
            labels = set()
            while not old.has_role("slave"):
                labels.add(classify(jobs, settings, name))
            return labels | {classify(jobs, settings, name)}

        answers = pool.map(until_demoted, range(CLIENTS))
        wait_until(fleet.fail_over)
        assert list(answers) == [{f"label of {name}"} for name in range(CLIENTS)]


def test_scripts_run_on_a_master_that_has_never_seen_them(fleet: ReplicatedRedis, settings: Settings) -> None:
    take_writes_without_replicas(fleet)
    limits = [RateLimitItemPerMinute(10)]
    monitor, counter = QueueMonitor(settings), RequestCounter(settings, connect_impatiently(settings), limits)
    assert monitor.state()
    assert counter.hit("a")
    change_master(fleet).client.script_flush()
    wait_until(monitor.state, timeout_s=BACK_WITHIN_S)
    assert counter.hit("a")


def test_the_offset_of_the_clock_is_read_again_from_another_master(fleet: ReplicatedRedis, settings: Settings) -> None:
    clock = RedisClock(connect(settings))
    clock.now()
    new = change_master(fleet)
    before = times_asked(new)
    wait_until(lambda: clock.now() and times_asked(new) > before, timeout_s=BACK_WITHIN_S)
    asked = times_asked(new)
    clock.now()
    assert times_asked(new) == asked


def test_a_sentinel_that_missed_the_failover_is_not_believed(fleet: ReplicatedRedis, settings: Settings) -> None:
    fleet.sentinels[0].kill()
    new = change_master(fleet)
    locator = MasterLocator(settings)
    fleet.sentinels[0].start()
    # It is told within a second or two; until then it names the former master.
    wait_until(lambda: answers(fleet.sentinel_clients[0]))
    while fleet.sentinel_clients[0].execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1] != new.port:
        assert locator.ask() == ("127.0.0.1", new.port)
    assert locator.ask() == ("127.0.0.1", new.port)


def test_a_sentinel_that_missed_the_failover_is_not_even_believed_if_no_other_one_answers(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    with only_an_outdated_sentinel(fleet, settings) as (locator, former, new):
        assert locator.ask() == new.address != former.address


def test_sentinels_that_were_set_up_anew_are_believed_in_the_end(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with only_an_outdated_sentinel(fleet, settings) as (locator, former, _):
        monkeypatch.setattr(master_locator, "DOUBT_S", 0)
        assert locator.ask() == former.address


def test_nobody_waits_for_a_sentinel_that_did_not_answer_the_last_time(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (master_locator, sentinel):
        monkeypatch.setattr(module, "SENTINEL_TIMEOUT_S", 4 * BACK_WITHIN_S)
    locator = MasterLocator(settings)
    fleet.sentinels[0].kill()
    locator.ask()
    with silent_server(fleet.sentinel_ports[0]), ThreadPoolExecutor(1) as pool:
        assert pool.submit(locator.ask).result(timeout=BACK_WITHIN_S)


def test_the_first_connection_after_a_failover_that_nobody_watched_goes_to_the_new_master(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    others = watching_threads()
    with connect(settings) as client:
        client.ping()
        (watching,) = watching_threads() - others
    watching.join()
    old = fleet.live_master()
    change_master(fleet)
    wait_until(lambda: old.has_role("slave"))
    assert client.role()[0] == b"master"


def test_a_connection_that_is_being_made_to_a_former_master_is_made_to_the_new_one(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    old = fleet.live_master()
    old.cable.stop()
    with ThreadPoolExecutor(1) as pool, patient_client(settings) as client:
        answer = pool.submit(client.ping)
        assert answer.result(timeout=BACK_WITHIN_S)
    assert fleet.master() is not old


def test_the_first_connection_does_not_go_to_a_master_that_was_named_before_a_failover(
    fleet: ReplicatedRedis, settings: Settings, keys: Keys
) -> None:
    locate_master(settings)
    with never_demoted(fleet.live_master()) as former:
        replace_master(fleet, former)
        with connect(settings) as client:
            assert client.rpush(keys.queue, "job") == 1


def test_a_job_that_a_former_master_refuses_goes_to_the_new_one(
    fleet: ReplicatedRedis, settings: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MasterLocator, "_watch", lambda self: None)  # as if it were late
    with never_demoted(fleet.live_master()) as former, connect(settings) as client:
        client.ping()
        new = replace_master(fleet, former)
        with ReplyChannels(settings).lease("a") as channels:
            assert channels.call(("RPUSH", keys.queue, "job")) == 1
    assert new.client.llen(keys.queue) == 1


def test_requests_go_to_the_new_master_while_the_former_one_is_still_being_asked_whether_it_hangs(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(HangDetector, "_is_silent", lambda self: not may_end.wait(4 * BACK_WITHIN_S))
    with connect_impatiently(settings) as client, connect(settings) as watched:
        assert answers(client)
        assert answers(watched)
        fleet.live_master().cable.stop()
        try:
            with pytest.raises(redis.TimeoutError):
                client.ping()
            wait_until(lambda: answers(client), timeout_s=BACK_WITHIN_S)
        finally:
            may_end.set()


def test_without_any_sentinel_open_and_new_connections_work_with_the_last_known_master(
    fleet: ReplicatedRedis, settings: Settings
) -> None:
    jobs = JobClient(settings)
    with working(settings) as network:
        network.release(0)
        assert accepts(jobs, settings)
        for each in fleet.sentinels:
            each.kill()
        assert classify(jobs, settings) == "label of 0"
        disconnect_clients(fleet.servers)
        wait_until(lambda: accepts(jobs, settings), timeout_s=BACK_WITHIN_S)
        assert classify(JobClient(settings), settings) == "label of 0"


def test_without_any_sentinel_a_replica_is_not_taken_for_the_master(fleet: ReplicatedRedis, settings: Settings) -> None:
    client = connect(settings)
    client.ping()
    master = fleet.live_master()
    for each in fleet.sentinels:
        each.kill()
    with demoted(master):
        client.connection_pool.disconnect()
        with pytest.raises(NotTheMaster, match="is not the master"):
            client.ping()


def test_a_process_that_has_never_found_a_sentinel_refuses_and_names_each_in_the_log(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    settings = make_settings(redis_url=f"redis+sentinel://:hunter2@127.0.0.1:{port}/mymaster", key_prefix="none:")
    with pytest.raises(ServiceUnavailable, match="out of reach"):
        QueueMonitor(settings).check_queue()
    failed, unavailable = (record.fields for record in caplog.records)  # type: ignore[attr-defined]
    assert failed["sentinel"] == f"127.0.0.1:{port}"
    assert str(unavailable["error"]) == "no Sentinel names a master of 'mymaster'"
    assert "hunter2" not in f"{failed}{unavailable}"


def test_the_watching_thread_ends_with_the_last_connection(fleet: ReplicatedRedis, settings: Settings) -> None:
    others = watching_threads()
    with connect(settings) as client:
        client.ping()
        (watching,) = watching_threads() - others
    watching.join(timeout=BACK_WITHIN_S)
    assert not watching.is_alive()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watching_thread_that_dies_of_a_lack_of_memory_is_replaced_at_the_next_connection(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_locator: MasterLocator, _master: object) -> NoReturn:
        raise MemoryError

    others = watching_threads()
    with connect(settings) as client, connect(settings) as another:
        with monkeypatch.context() as patch:
            patch.setattr(MasterLocator, "_leave_former", fail)
            client.ping()
            wait_until(lambda: watching_threads() <= others)
        another.ping()
        assert len(watching_threads() - others) == 1


def test_the_sentinels_are_asked_when_there_was_no_memory_for_the_threads_that_ask(
    fleet: ReplicatedRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> NoReturn:
        raise MemoryError

    locator = MasterLocator(settings)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", fail)
        assert locator.ask() == fleet.live_master().address
    new = change_master(fleet)
    assert locator.ask() == new.address
