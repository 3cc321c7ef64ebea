"""Connections for results: one for each waiting request, reused, and replaced when they break."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis

from benchmarks.services import wait_until
from jobs import reply_channels
from jobs.client import JobClient
from jobs.protocol import Keys
from jobs.reply_channels import ReplyChannels
from settings import Settings
from tests.conftest import PIXELS, Client, MakeSettings
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, submitted_job


def test_more_than_a_hundred_requests_can_wait_at_once(settings: Settings) -> None:
    channels = ReplyChannels(settings)
    with ExitStack() as waiting:
        for number in range(150):
            channel = waiting.enter_context(channels.lease(f"{settings.key_prefix}{number}"))
            channel.call(("PING",))


@pytest.mark.usefixtures("live_worker")
def test_a_result_is_found_after_the_pubsub_connections_were_closed(
    make_settings: MakeSettings, client: Client
) -> None:
    settings = make_settings(poll_interval_s=0.2)
    with submitted_job(settings) as future:
        wait_until(lambda: client.llen(Keys(settings).queue))
        client.client_kill_filter(_type="pubsub")
        process_jobs(settings, 1)
        assert future.result(timeout=10).id == "a" * 32


@pytest.mark.usefixtures("live_worker")
def test_idle_connections_that_redis_has_closed_are_replaced(settings: Settings, client: Client) -> None:
    jobs = JobClient(settings)
    with ThreadPoolExecutor(1) as pool:
        for job_id in ("a" * 32, "b" * 32):
            future = pool.submit(classify_one, jobs, PIXELS, job_id, request_deadline(settings))
            process_jobs(settings, 1)
            assert future.result(timeout=10).id == job_id
            client.client_kill_filter(_type="pubsub")
            client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.usefixtures("live_worker")
def test_sequential_requests_reuse_one_connection(settings: Settings, client: Client) -> None:
    jobs = JobClient(settings)
    before = len(client.client_list(_type="pubsub"))
    with ThreadPoolExecutor(1) as pool:
        for number in range(5):
            future = pool.submit(classify_one, jobs, PIXELS, f"{number:032}", request_deadline(settings))
            process_jobs(settings, 1)
            future.result()
    assert len(client.client_list(_type="pubsub")) <= before + 1


def test_the_connections_of_a_burst_are_closed_when_later_requests_do_not_need_them(
    make_settings: MakeSettings, redis_url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_channels, "IDLE_S", 0.1)
    channels = ReplyChannels(make_settings(redis_url=f"{redis_url}?client_name=burst"))

    def connections_after_a_request() -> int:
        with channels.lease("one") as channel:
            channel.call(("PING",))
        return [each["name"] for each in client.client_list()].count("burst")

    with ExitStack() as burst:
        for number in range(5):
            burst.enter_context(channels.lease(f"{number}")).call(("PING",))
    wait_until(lambda: connections_after_a_request() == 1, timeout_s=20)
    assert connections_after_a_request() == 1


def test_unread_replies_of_one_request_do_not_reach_the_next(settings: Settings, client: Client) -> None:
    channels = ReplyChannels(settings)
    with channels.lease("first") as channel:
        channel.call(("PING",))
        assert client.publish("first", "late") == 1
        channel.release(("ECHO", "a reply for nobody"))
    with channels.lease("second") as channel:
        assert channel.call(("ECHO", "mine")) == b"mine"
        assert client.publish("second", "mine") == 1
        assert channel.receive(timeout_s=10) == (b"second", b"mine")


def test_a_finished_request_unsubscribes_and_keeps_its_connection_open(settings: Settings, client: Client) -> None:
    channels = ReplyChannels(settings)
    with channels.lease("channel of one") as channel:
        channel.call(("PING",))
        assert client.pubsub_numsub("channel of one")[0][1] == 1
    wait_until(lambda: client.pubsub_numsub("channel of one")[0][1] == 0)
    assert channels.take_connection().used


def test_a_request_whose_connection_was_closed_subscribes_on_another(settings: Settings, client: Client) -> None:
    with ReplyChannels(settings).lease("channel of another") as channel:
        channel.call(("PING",))
        client.client_kill_filter(_type="pubsub")
        wait_until(lambda: channel.receive(timeout_s=0.05) is None and client.publish("channel of another", "mine"))
        assert channel.receive(timeout_s=10) == (b"channel of another", b"mine")


def test_after_one_idle_connection_was_found_closed_no_other_is_tried(settings: Settings, client: Client) -> None:
    channels = ReplyChannels(settings)
    with channels.lease("one") as one, channels.lease("other") as other:
        one.call(("PING",))
        other.call(("PING",))
    client.client_kill_filter(_type="normal", skipme=True)
    with channels.lease("third") as third:
        assert third.call(("ECHO", "mine")) == b"mine"
        assert not channels.take_connection().used


def test_a_refused_command_does_not_cost_the_connection(settings: Settings) -> None:
    channels = ReplyChannels(settings)
    with channels.lease("one") as channel:
        channel.call(("PING",))
    with channels.lease("other") as channel, pytest.raises(redis.ResponseError):
        channel.call(("NONSENSE",))
    assert channels.take_connection().used


def test_a_connection_that_broke_is_not_kept(settings: Settings) -> None:
    channels = ReplyChannels(settings)
    with channels.lease("one") as channel, pytest.raises(redis.ConnectionError):
        channel.call(("CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "no"), ("PING",))
    assert not channels._idle
