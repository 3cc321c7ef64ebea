"""Threads for requests: as many as allowed, the warmest first."""

import threading
import weakref

import pytest

from benchmarks.services import wait_until
from http_server.request_threads import RequestThreads
from tests.http_server.conftest import no_more_threads


@pytest.mark.parametrize("count", [1, 2])
def test_no_more_calls_run_at_once_than_there_are_threads_and_the_others_follow_in_order(count: int) -> None:
    threads, go_on, running = RequestThreads(count), threading.Event(), threading.Semaphore(0)
    order: list[int] = []

    def call() -> None:
        running.release()
        go_on.wait()

    for _ in range(count):
        threads.submit(call)
    for _ in range(count):
        running.acquire()
    for number in range(20):
        threads.submit(lambda number=number: order.append(number))  # type: ignore[misc]
    assert order == []
    go_on.set()
    wait_until(lambda: len(order) == 20)
    # Two threads may take them in order, and run them in another.
    assert (order if count == 1 else sorted(order)) == list(range(20))
    threads.close()


def test_an_idle_thread_keeps_nothing_of_its_last_call() -> None:
    threads, body = RequestThreads(1), threading.Event()
    kept = weakref.ref(body)
    threads.submit(body.set)
    del body
    wait_until(lambda: kept() is None)
    threads.close()


def test_the_thread_that_was_busy_last_is_taken_first() -> None:
    threads, both = RequestThreads(2), threading.Barrier(2)
    used: list[int] = []
    for _ in range(2):
        threads.submit(both.wait)
    wait_until(lambda: len(threads._idle) == 2)
    for number in range(10):
        threads.submit(lambda: used.append(threading.get_ident()))
        wait_until(lambda number=number: len(used) == number + 1 and len(threads._idle) == 2)  # type: ignore[misc]
    assert len(set(used)) == 1
    threads.close()


def test_closing_ends_the_idle_threads() -> None:
    threads = RequestThreads(3)
    idents: list[int] = []
    threads.submit(lambda: idents.append(threading.get_ident()))
    wait_until(lambda: threads._idle)
    threads.close()
    wait_until(lambda: all(thread.ident not in idents for thread in threading.enumerate()))


def test_a_thread_that_cannot_start_takes_no_place() -> None:
    threads, ran = RequestThreads(1), threading.Event()
    with no_more_threads():
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start"):
                threads.submit(ran.set)
    threads.submit(ran.set)
    assert ran.wait(30)
    threads.close()
