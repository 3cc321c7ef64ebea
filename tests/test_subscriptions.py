"""The connections on which answers come: as many as there are requests, used again, and replaced when they break."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from job_protocol import Keys
from job_queue import JobQueue
from settings import Settings
from subscriptions import Subscriptions
from tests.conftest import PIXELS, Client, MakeSettings
from tests.hand_made_worker import answer_jobs, asked, soon
from tests.services import wait_until


def test_more_than_a_hundred_requests_can_wait_at_once(settings: Settings) -> None:
    subscriptions = Subscriptions(settings)
    with ExitStack() as waiting:
        for number in range(150):
            subscription = waiting.enter_context(subscriptions.to(f"{settings.key_prefix}{number}"))
            subscription.call(("PING",))


@pytest.mark.usefixtures("alive")
def test_an_answer_is_found_after_the_pubsub_connections_were_cut(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(poll_interval_s=0.2)
    with asked(settings) as future:
        wait_until(lambda: client.llen(Keys(settings).queue))
        client.client_kill_filter(_type="pubsub")
        answer_jobs(settings, 1)
        assert future.result(timeout=10).id == "a" * 32


@pytest.mark.usefixtures("alive")
def test_idle_connections_that_redis_has_closed_are_replaced(settings: Settings, client: Client) -> None:
    queue = JobQueue(settings)
    with ThreadPoolExecutor(1) as pool:
        for job_id in ("a" * 32, "b" * 32):
            future = pool.submit(queue.classify, PIXELS, job_id, soon(settings))
            answer_jobs(settings, 1)
            assert future.result(timeout=10).id == job_id
            client.client_kill_filter(_type="pubsub")
            client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.usefixtures("alive")
def test_one_connection_serves_one_request_after_the_other(settings: Settings, client: Client) -> None:
    queue = JobQueue(settings)
    before = len(client.client_list(_type="pubsub"))
    with ThreadPoolExecutor(1) as pool:
        for number in range(5):
            future = pool.submit(queue.classify, PIXELS, f"{number:032}", soon(settings))
            answer_jobs(settings, 1)
            future.result()
    assert len(client.client_list(_type="pubsub")) <= before + 1


def test_what_one_request_leaves_unread_does_not_reach_the_next(settings: Settings, client: Client) -> None:
    subscriptions = Subscriptions(settings)
    with subscriptions.to("first") as subscription:
        subscription.call(("PING",))
        assert client.publish("first", "late") == 1
        subscription.end(("ECHO", "a reply for nobody"))
    with subscriptions.to("second") as subscription:
        assert subscription.call(("ECHO", "mine")) == b"mine"
        assert client.publish("second", "mine") == 1
        assert subscription.message(timeout_s=10) == b"mine"


def test_a_request_that_has_ended_listens_no_longer_though_its_connection_stays(
    settings: Settings, client: Client
) -> None:
    subscriptions = Subscriptions(settings)
    with subscriptions.to("channel of one") as subscription:
        subscription.call(("PING",))
        assert client.pubsub_numsub("channel of one")[0][1] == 1
    wait_until(lambda: client.pubsub_numsub("channel of one")[0][1] == 0)
    assert subscriptions.borrow().used


def test_a_request_whose_connection_was_cut_listens_on_another(settings: Settings, client: Client) -> None:
    with Subscriptions(settings).to("channel of another") as subscription:
        subscription.call(("PING",))
        client.client_kill_filter(_type="pubsub")
        wait_until(
            lambda: subscription.message(timeout_s=0.05) is None and client.publish("channel of another", "mine")
        )
        assert subscription.message(timeout_s=10) == b"mine"


def test_when_one_idle_connection_turns_out_to_be_closed_no_other_is_tried(settings: Settings, client: Client) -> None:
    subscriptions = Subscriptions(settings)
    with subscriptions.to("one") as one, subscriptions.to("other") as other:
        one.call(("PING",))
        other.call(("PING",))
    client.client_kill_filter(_type="normal", skipme=True)
    with subscriptions.to("third") as third:
        assert third.call(("ECHO", "mine")) == b"mine"
