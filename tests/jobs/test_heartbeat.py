"""Heartbeats: a worker sends them as long as all its batch loops make progress."""

import itertools
import threading
import time

import pytest

from benchmarks.services import wait_until
from jobs import heartbeat as heartbeats
from jobs.clock import RedisClock
from jobs.heartbeat import Heartbeat
from jobs.protocol import Keys, WorkerInfo
from settings import Settings
from tests.conftest import INFO, Client, MakeSettings, heartbeat


def test_a_heartbeat_describes_the_worker_and_counts_its_pictures(
    settings: Settings, keys: Keys, client: Client
) -> None:
    with Heartbeat(settings, INFO, loops=2) as heartbeat:
        heartbeat.progress(0, images=3)
        heartbeat.progress(1, images=4)
        wait_until(lambda: (text := client.get(keys.worker("w1"))) and WorkerInfo.from_json(text).images_done == 7)
        assert 0 < client.pttl(keys.worker("w1")) <= settings.heartbeat_ttl_s * 1000


def test_each_heartbeat_says_how_long_the_worker_has_been_serving(
    settings: Settings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL_S", 0.05)

    def uptime_s() -> float:
        text = client.get(keys.worker("w1"))
        return WorkerInfo.from_json(text).uptime_s or 0 if text else 0

    started = time.monotonic()
    with Heartbeat(settings, INFO, loops=1):
        wait_until(uptime_s)
        first = uptime_s()
        wait_until(lambda: uptime_s() > first)
        assert uptime_s() <= time.monotonic() - started


def test_a_lack_of_memory_costs_one_heartbeat(
    settings: Settings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = Heartbeat(settings, INFO, loops=1)
    beat, beats = heartbeat._beat, itertools.count()

    def beat_but_for_the_first_time() -> None:
        if not next(beats):
            raise MemoryError
        beat()

    monkeypatch.setattr(heartbeat, "_beat", beat_but_for_the_first_time)
    with heartbeat:
        wait_until(lambda: client.exists(keys.worker("w1")))


def test_a_heartbeat_in_progress_does_not_outlive_its_worker(
    settings: Settings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = Heartbeat(settings, INFO, loops=1)
    beat, began = heartbeat._beat, threading.Event()

    def beat_while_the_worker_stops() -> None:
        began.set()
        assert heartbeat._stopped.wait(10)
        beat()

    monkeypatch.setattr(heartbeat, "_beat", beat_while_the_worker_stops)
    with heartbeat:
        assert began.wait(10)
    assert not heartbeat._thread.is_alive()
    assert client.exists(keys.workers)
    assert not client.exists(keys.worker("w1"))


def test_a_worker_with_a_stalled_batch_loop_counts_as_dead(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(stall_timeout_s=0.1, heartbeat_ttl_s=2)
    with Heartbeat(settings, INFO, loops=2) as heartbeat:
        wait_until(lambda: progress(heartbeat, 0, 1) and client.exists(keys.worker("w1")))
        wait_until(lambda: progress(heartbeat, 0) and not client.exists(keys.worker("w1")))
        wait_until(lambda: progress(heartbeat, 0, 1) and client.exists(keys.worker("w1")))


def test_a_worker_without_progress_is_stuck_when_it_counts_as_dead_and_a_stall_timeout_has_passed_again(
    make_settings: MakeSettings, keys: Keys, client: Client
) -> None:
    settings = make_settings(stall_timeout_s=0.1, heartbeat_ttl_s=2)
    alive: list[bool] = []

    def stuck(_seconds: float) -> None:
        alive.append(bool(client.exists(keys.worker("w1"))))

    with Heartbeat(settings, INFO, loops=2, stuck=stuck) as heartbeat:
        wait_until(lambda: progress(heartbeat, 0) and alive)
    assert alive[0] is False


def test_a_worker_that_wakes_from_a_long_sleep_gets_as_much_time_as_any_other(make_settings: MakeSettings) -> None:
    settings = make_settings(stall_timeout_s=0.1, heartbeat_ttl_s=2)
    watched: list[float] = []
    heartbeat = Heartbeat(settings, INFO, loops=1, stuck=watched.append)
    heartbeat._progress_at = [time.monotonic() - 3600]
    started = time.monotonic()
    with heartbeat:
        wait_until(lambda: watched)
    assert watched[0] >= 2.1
    assert time.monotonic() - started >= 2.1


def test_each_stall_is_logged_once_and_forgotten_when_it_ends(
    make_settings: MakeSettings,
    keys: Keys,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeats, "INTERVAL_S", 0.2)
    settings = make_settings(stall_timeout_s=1, heartbeat_ttl_s=2)
    watched: list[float] = []
    with Heartbeat(settings, INFO, loops=1, stuck=watched.append) as heartbeat:
        for number in (1, 2):
            wait_until(lambda: progress(heartbeat, 0) and client.exists(keys.worker("w1")), timeout_s=10)
            wait_until(lambda: not client.exists(keys.worker("w1")), timeout_s=10)
            assert caplog.text.count("worker_stalled") == number
        progress(heartbeat, 0)
    assert watched == []


def progress(heartbeat: Heartbeat, *loops: int) -> bool:
    for loop in loops:
        heartbeat.progress(loop)
    return True


def test_the_names_of_dead_workers_are_removed(settings: Settings, keys: Keys, client: Client) -> None:
    client.zadd(keys.workers, {"long gone": client.time()[0] - 3600})
    with Heartbeat(settings, INFO, loops=2):
        wait_until(lambda: client.zrange(keys.workers, 0, -1) == ["w1"])
    assert 0 < client.ttl(keys.workers) <= 60


def test_an_old_heartbeat_that_arrives_behind_newer_ones_replaces_none(
    settings: Settings, keys: Keys, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = client.time()[0]
    client.zadd(keys.workers, {INFO.name: newer, "another": newer})
    monkeypatch.setattr(RedisClock, "now", lambda _: newer - 30)
    with heartbeat(settings):
        scores = client.zrange(keys.workers, 0, -1, withscores=True)
    assert dict(scores) == {INFO.name: newer, "another": newer}


def test_workers_that_died_after_redis_clock_was_set_back_do_not_count_as_alive(
    settings: Settings, keys: Keys, client: Client
) -> None:
    before = client.time()[0] + 1800
    client.zadd(keys.workers, {"dead": before, INFO.name: before})
    with heartbeat(settings):
        ((name, seen),) = client.zrange(keys.workers, 0, -1, withscores=True)
    assert name == INFO.name
    assert seen <= client.time()[0] + 1
