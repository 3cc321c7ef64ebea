"""The workers that a web server sees: unreadable heartbeats are skipped, and keys of the wrong type are named."""

import json
import time

import pytest

from errors import ServiceUnavailable
from jobs import log_once
from jobs.client import JobClient
from jobs.connection import CONNECT_TIMEOUT_S
from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import INFO, PIXELS, Client, MakeSettings
from tests.support.fake_worker import classify_one, request_deadline
from tests.support.hanging_redis import unreachable_server

HEARTBEAT = json.loads(INFO.to_json())


def add_worker(client: Client, keys: Keys, name: bytes | str, heartbeat: bytes | str | None = None) -> None:
    client.zadd(keys.workers, {name: client.time()[0]})
    if heartbeat is not None:
        client.set(keys.worker("").encode() + (name if isinstance(name, bytes) else name.encode()), heartbeat)


def names(settings: Settings) -> list[str]:
    return [worker.name for worker in QueueMonitor(settings).workers()]


@pytest.mark.usefixtures("live_worker")
@pytest.mark.parametrize(
    "heartbeat",
    [
        "",
        "junk\n\x1b[31m",
        b"\xff\xfe",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        json.dumps({key: value for key, value in HEARTBEAT.items() if key != "model"}),
        json.dumps(HEARTBEAT | {"pid": "a string"}),
        json.dumps(HEARTBEAT | {"name": ["a list"]}),
    ],
    ids=["empty", "text", "bytes", "a list", "null", "an empty object", "deep", "a field less", "a type", "a name"],
)
def test_a_worker_whose_heartbeat_cannot_be_read_is_skipped_and_logged_once(
    heartbeat: bytes | str, settings: Settings, client: Client, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    add_worker(client, keys, "w2", heartbeat)
    monitor = QueueMonitor(settings)
    assert [[worker.name for worker in monitor.workers()] for _ in range(3)] == [["w1"]] * 3
    assert [record.fields["name"] for record in caplog.records if record.message == "heartbeat_unreadable"] == ["w2"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("live_worker")
@pytest.mark.parametrize("heartbeat", [None, INFO.to_json()])
def test_a_worker_whose_name_is_not_text_is_skipped_and_logged_escaped(
    heartbeat: bytes | None, settings: Settings, client: Client, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    add_worker(client, keys, b"\xff\xfe", heartbeat)
    assert names(settings) == ["w1"]
    (record,) = (record for record in caplog.records if record.message == "heartbeat_unreadable")
    assert record.fields["name"] == r"\xff\xfe"  # type: ignore[attr-defined]


def test_a_worker_of_a_newer_version_that_says_more_counts(settings: Settings, client: Client, keys: Keys) -> None:
    add_worker(client, keys, "w1", json.dumps(HEARTBEAT | {"new": {"of": "version 2"}}))
    assert names(settings) == ["w1"]


def test_a_worker_is_known_by_the_age_of_its_heartbeat_until_that_expires(
    settings: Settings, client: Client, keys: Keys
) -> None:
    began = time.monotonic()
    seconds, microseconds = client.time()
    for name, age_s in {"w1": 0.5, "w2": 2, "w3": settings.heartbeat_ttl_s + 1}.items():
        client.zadd(keys.workers, {name: seconds + microseconds / 1e6 - age_s})
        client.set(keys.worker(name), json.dumps(HEARTBEAT | {"name": name}))
    ages = {worker.info.name: worker.heartbeat_age_s for worker in QueueMonitor(settings).living_workers()}
    assert list(ages) == ["w2", "w1"]
    # Redis's time is known to within half a round trip.
    slack_s = 2 * (time.monotonic() - began)
    assert 0.5 <= ages["w1"] < 0.5 + slack_s
    assert 2 <= ages["w2"] < 2 + slack_s


def test_a_heartbeat_of_the_wrong_type_in_redis_is_skipped(settings: Settings, client: Client, keys: Keys) -> None:
    add_worker(client, keys, "w1", INFO.to_json())
    add_worker(client, keys, "w2")
    client.rpush(keys.worker("w2"), "x")
    assert names(settings) == ["w1"]


def test_the_log_remembers_a_limited_number_of_names(
    settings: Settings, client: Client, keys: Keys, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_once, "REMEMBERED_NAMES", 10)
    add_worker(client, keys, "w1", INFO.to_json())
    for number in range(30):
        add_worker(client, keys, f"{number}:".ljust(1000), "junk")
    monitor = QueueMonitor(settings)
    monitor.workers()
    assert caplog.text.count("heartbeat_unreadable") == 30
    assert len(monitor._log_unreadable._logged) == 10
    assert max(map(len, monitor._log_unreadable._logged)) == log_once.LOGGED_CHARS


def test_workers_of_whom_none_can_be_read_are_told_from_none_at_all(
    settings: Settings, client: Client, keys: Keys
) -> None:
    assert QueueMonitor(settings).workers() == []
    add_worker(client, keys, "w1", "junk")
    with pytest.raises(ServiceUnavailable, match="heartbeat_unreadable"):
        QueueMonitor(settings).workers()


def test_a_set_of_workers_of_the_wrong_type_is_named(settings: Settings, client: Client, keys: Keys) -> None:
    client.set(keys.workers, "x")
    with pytest.raises(ServiceUnavailable, match=f"The key {keys.workers} has the wrong type"):
        QueueMonitor(settings).workers()


def test_the_state_is_unknown_soon_when_redis_cannot_be_connected_to(make_settings: MakeSettings) -> None:
    with unreachable_server() as url:
        monitor = QueueMonitor(make_settings(redis_url=url))
        began = time.monotonic()
        assert monitor.state() is None
        assert time.monotonic() - began < CONNECT_TIMEOUT_S


def test_a_queue_of_the_wrong_type_is_named(settings: Settings, client: Client, keys: Keys) -> None:
    QueueMonitor(settings).check_queue()
    client.set(keys.queue, "x")
    with pytest.raises(ServiceUnavailable, match=f"The key {keys.queue} has the wrong type"):
        QueueMonitor(settings).check_queue()


@pytest.mark.usefixtures("live_worker")
@pytest.mark.parametrize("key", ["queue", "workers"])
def test_a_key_of_the_wrong_type_refuses_jobs_and_keeps_none(
    key: str, settings: Settings, client: Client, keys: Keys
) -> None:
    client.delete(getattr(keys, key))
    client.set(getattr(keys, key), "x")
    with pytest.raises(ServiceUnavailable, match="/readyz names it"):
        classify_one(JobClient(settings), PIXELS, "a" * 32, request_deadline(settings))
    assert client.type(keys.queue) in ("none", "string")
