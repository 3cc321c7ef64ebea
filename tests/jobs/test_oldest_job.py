"""The cached age of the oldest queued job."""

from dataclasses import dataclass

import pytest

from jobs.oldest_job import OldestJob
from jobs.protocol import Job, Keys
from tests.conftest import PIXELS, Client, MakeSettings

EARLY, LATE = 1_900_000_000.5, 1_900_000_009.25


def push(client: Client, keys: Keys, queued_at: float | None) -> None:
    client.lpush(keys.queue, Job("a" * 32, PIXELS, LATE + 30, queued_at=queued_at).to_json())


def test_the_oldest_job_is_younger_if_it_was_queued_clearly_later(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    push(client, keys, LATE)
    oldest = OldestJob(make_settings(), client)
    assert [oldest.is_younger_than(queued_at) for queued_at in (EARLY, LATE - 0.5, LATE)] == [True, False, False]


def test_an_empty_queue_counts_as_younger(make_settings: MakeSettings, client: Client) -> None:
    assert OldestJob(make_settings(), client).is_younger_than(LATE)


@pytest.mark.parametrize("garbage", ["", "garbage", '{"queued_at":1..2}', '{"queued_at":"now"}'])
def test_a_malformed_oldest_job_does_not_count_as_younger(
    garbage: str, make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    client.rpush(keys.queue, garbage)
    assert not OldestJob(make_settings(), client).is_younger_than(EARLY)


def test_an_oldest_job_without_a_time_does_not_count_as_younger(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    push(client, keys, queued_at=None)
    assert not OldestJob(make_settings(), client).is_younger_than(EARLY)


@dataclass
class Clock:
    """A clock that the test moves."""

    now: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("jobs.oldest_job.time.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def oldest(make_settings: MakeSettings, client: Client) -> OldestJob:
    return OldestJob(make_settings(poll_interval_s=10), client)


def test_the_age_is_cached_for_half_of_the_poll_interval(
    oldest: OldestJob, clock: Clock, client: Client, keys: Keys
) -> None:
    assert oldest.is_younger_than(EARLY)
    push(client, keys, EARLY)
    clock.now += 4.9
    assert oldest.is_younger_than(EARLY)
    clock.now += 0.2
    assert not oldest.is_younger_than(EARLY)


def test_the_cached_age_expires_counting_from_before_redis_was_asked(
    oldest: OldestJob, clock: Clock, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = oldest._script

    def slow(keys: list[str]) -> object:
        reply = real(keys=keys)
        clock.now += 5.1
        return reply

    monkeypatch.setattr(oldest, "_script", slow)
    assert oldest.is_younger_than(EARLY)
    push(client, keys, EARLY)
    assert not oldest.is_younger_than(EARLY)
