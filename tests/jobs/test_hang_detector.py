"""The hang detector: the first command without an answer is the last one that anybody waits for."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import NoReturn

import pytest
import redis

from benchmarks.services import wait_until
from errors import ServiceUnavailable
from jobs import hang_detector as hang_detection
from jobs.client import JobClient
from jobs.hang_detector import HangDetector, RedisHangs, connect_impatiently, hang_detector
from jobs.monitor import QueueMonitor
from jobs.reply_channels import ReplyChannels
from settings import Settings
from tests.conftest import PIXELS, MakeSettings, heartbeat
from tests.support.fake_worker import classify_one, process_jobs, request_deadline, submitted_job
from tests.support.hanging_redis import silent_server, suspended_redis, unreachable_server
from tools.embedded_redis import embedded_redis

PROMISE_S = 3


@pytest.fixture
def url() -> Iterator[str]:
    """A Redis that may be suspended."""
    with embedded_redis() as url:
        yield url


@pytest.fixture
def settings(url: str, make_settings: MakeSettings) -> Settings:
    return make_settings(redis_url=url)


def without_memory(_detector: HangDetector) -> NoReturn:
    raise MemoryError


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_after_a_command_without_an_answer_others_are_refused_at_once_until_redis_answers(
    url: str, settings: Settings
) -> None:
    one, other = connect_impatiently(settings), connect_impatiently(settings, protocol=3)
    assert answers(other)
    with suspended_redis(url):
        with pytest.raises(redis.TimeoutError):
            one.ping()
        began = time.monotonic()
        for client in (one, other):
            with pytest.raises(RedisHangs):
                client.ping()
        assert time.monotonic() - began < 0.5
    wait_until(lambda: answers(one) and answers(other), timeout_s=10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_requests_go_on_when_there_was_no_memory_to_ask_whether_redis_answers_again(
    url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect_impatiently(settings)
    assert answers(client)
    with suspended_redis(url), monkeypatch.context() as patch:
        patch.setattr(HangDetector, "_is_silent", without_memory)
        with pytest.raises(redis.TimeoutError):
            client.ping()
    wait_until(lambda: answers(client), timeout_s=10)


def test_after_a_command_without_an_answer_no_connection_is_used_again(url: str, settings: Settings) -> None:
    client, channels = connect_impatiently(settings), ReplyChannels(settings)
    with channels.lease("idle") as one, channels.lease("in use") as other:
        one.call(("PING",))
        one.release()
        other.call(("PING",))
        before = client.client_id()
        with suspended_redis(url), pytest.raises(redis.TimeoutError):
            connect_impatiently(settings).ping()
        wait_until(lambda: answers(client), timeout_s=10)
        assert client.client_id() != before
        assert not channels.take_connection().used
    assert not channels.take_connection().used


def test_many_commands_without_an_answer_are_one_hang(
    url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hang_detection, "REPLY_TIMEOUT_S", 1)
    clients = [connect_impatiently(settings) for _ in range(4)]
    assert all(map(answers, clients))
    with suspended_redis(url), ThreadPoolExecutor(len(clients)) as pool:
        assert not any(pool.map(answers, clients))
    wait_until(lambda: all(map(answers, clients)), timeout_s=10)
    assert caplog.text.count("redis_hangs") == 1


def test_a_redis_that_hung_and_is_gone_is_away(make_settings: MakeSettings) -> None:
    with silent_server() as url:
        settings = make_settings(redis_url=url)
        client = connect_impatiently(settings)
        with pytest.raises(redis.TimeoutError):
            client.ping()
        with pytest.raises(RedisHangs):
            client.ping()

    def is_away() -> bool:
        try:
            hang_detector(settings).check()
        except RedisHangs:
            return False
        return True

    wait_until(is_away, timeout_s=10)
    with pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.parametrize("black_hole", [silent_server, unreachable_server])
def test_a_black_hole_refuses_requests_and_readiness_in_time(
    black_hole: Callable[[], AbstractContextManager[str]], make_settings: MakeSettings
) -> None:
    with black_hole() as url:
        settings = make_settings(redis_url=url)
        jobs, monitor = JobClient(settings), QueueMonitor(settings)
        for call in (monitor.check_queue, lambda: classify_one(jobs, PIXELS, "a" * 32, request_deadline(settings))):
            began = time.monotonic()
            with pytest.raises(ServiceUnavailable, match="out of reach") as refused:
                call()
            assert time.monotonic() - began < PROMISE_S
            assert refused.value.retry_after_s == 5
        with pytest.raises(ServiceUnavailable, match="out of reach"):
            jobs.check_admission()


def test_a_request_in_hand_outlives_a_redis_that_hangs(url: str, make_settings: MakeSettings) -> None:
    settings = make_settings(redis_url=url, poll_interval_s=0.1)
    with heartbeat(settings), redis.Redis.from_url(url) as client, submitted_job(settings) as future:
        wait_until(lambda: client.llen(f"{settings.key_prefix}{settings.image_queue}"))
        with suspended_redis(url):
            wait_until(lambda: not answers(connect_impatiently(settings)))
        process_jobs(settings, 1)
        assert future.result(timeout=10).id == "a" * 32


def test_without_a_thread_that_asks_redis_the_next_command_does(
    url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect_impatiently(settings)
    with suspended_redis(url), monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(redis.TimeoutError):
            client.ping()
    assert answers(client)


def no_thread(_thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
