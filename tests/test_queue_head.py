"""What the web servers know of the job at the queue's head."""

from dataclasses import dataclass

import pytest

from job_protocol import Job, Keys
from queue_head import QueueHead
from tests.conftest import PIXELS, Client, MakeSettings

EARLY, LATE = 1_900_000_000.5, 1_900_000_009.25


def push(client: Client, keys: Keys, queued_at: float | None) -> None:
    client.lpush(keys.queue, Job("a" * 32, PIXELS, LATE + 30, queued_at=queued_at).to_json())


def test_a_head_is_younger_when_it_was_queued_clearly_later(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    push(client, keys, LATE)
    head = QueueHead(make_settings(), client)
    assert [head.is_younger_than(queued_at) for queued_at in (EARLY, LATE - 0.5, LATE)] == [True, False, False]


def test_an_empty_queue_has_nothing_as_old_as_any_job(make_settings: MakeSettings, client: Client) -> None:
    assert QueueHead(make_settings(), client).is_younger_than(LATE)


@pytest.mark.parametrize("garbage", ["", "garbage", '{"queued_at":1..2}', '{"queued_at":"now"}'])
def test_a_head_that_is_no_job_of_ours_proves_nothing(
    garbage: str, make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    client.rpush(keys.queue, garbage)
    assert not QueueHead(make_settings(), client).is_younger_than(EARLY)


def test_a_head_of_which_nobody_says_when_it_was_queued_proves_nothing(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    push(client, keys, queued_at=None)
    assert not QueueHead(make_settings(), client).is_younger_than(EARLY)


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("queue_head.time.monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def head(make_settings: MakeSettings, client: Client) -> QueueHead:
    return QueueHead(make_settings(poll_interval_s=10), client)


def test_the_head_is_read_once_for_all_who_ask_in_half_an_interval(
    head: QueueHead, clock: Clock, client: Client, keys: Keys
) -> None:
    assert head.is_younger_than(EARLY)
    push(client, keys, EARLY)
    clock.now += 4.9
    assert head.is_younger_than(EARLY)
    clock.now += 0.2
    assert not head.is_younger_than(EARLY)


def test_what_was_read_is_as_old_as_the_question(
    head: QueueHead, clock: Clock, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = head._script

    def slow(keys: list[str]) -> object:
        answer = ask(keys=keys)
        clock.now += 5.1
        return answer

    monkeypatch.setattr(head, "_script", slow)
    assert head.is_younger_than(EARLY)
    push(client, keys, EARLY)
    assert not head.is_younger_than(EARLY)
