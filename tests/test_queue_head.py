"""What the web servers know of the job at the queue's head."""

import pytest

from job_protocol import Job, Keys
from queue_head import QueueHead
from tests.conftest import PIXELS, Client, MakeSettings
from tests.services import wait_until

SOON, LATER = 1_900_000_000.5, 1_900_000_009.25


def push(client: Client, keys: Keys, deadline: float) -> None:
    client.rpush(keys.queue, Job("a" * 32, PIXELS, deadline).to_json())


def test_a_head_is_younger_when_its_deadline_is_clearly_later(
    make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    push(client, keys, LATER)
    head = QueueHead(make_settings(), client)
    assert [head.is_younger_than(deadline) for deadline in (SOON, LATER - 0.5, LATER)] == [True, False, False]


def test_an_empty_queue_has_nothing_as_old_as_any_job(make_settings: MakeSettings, client: Client) -> None:
    assert QueueHead(make_settings(), client).is_younger_than(LATER)


@pytest.mark.parametrize("garbage", ["", "garbage", '{"deadline":1..2}', '{"deadline":"soon"}'])
def test_a_head_that_is_no_job_of_ours_proves_nothing(
    garbage: str, make_settings: MakeSettings, client: Client, keys: Keys
) -> None:
    client.rpush(keys.queue, garbage)
    assert not QueueHead(make_settings(), client).is_younger_than(SOON)


def test_the_head_is_read_once_for_all_who_ask_in_half_an_interval(make_settings: MakeSettings, client: Client) -> None:
    head = QueueHead(make_settings(poll_interval_s=1000), client)
    client.config_resetstat()
    for _ in range(10):
        head.is_younger_than(SOON)
    assert client.info("commandstats")["cmdstat_lindex"]["calls"] == 1


def test_after_half_an_interval_it_is_read_again(make_settings: MakeSettings, client: Client, keys: Keys) -> None:
    head = QueueHead(make_settings(poll_interval_s=0.02), client)
    assert head.is_younger_than(SOON)
    push(client, keys, SOON)
    wait_until(lambda: not head.is_younger_than(SOON))
