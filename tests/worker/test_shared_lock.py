"""The lock between the batch loops of one worker."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from benchmarks.services import wait_until
from worker import shared_lock
from worker.shared_lock import SharedLock


def test_all_threads_can_share_the_lock() -> None:
    lock = SharedLock(threads=3)
    barrier = threading.Barrier(3, timeout=10)

    def meet() -> None:
        with lock.shared():
            barrier.wait()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(meet) for _ in range(3)]:
            future.result()


def test_an_exclusive_holder_waits_for_the_others_and_keeps_them_out() -> None:
    lock = SharedLock(threads=2)
    release_shared, release_exclusive = threading.Event(), threading.Event()
    inside: list[str] = []

    def hold_shared(name: str) -> None:
        with lock.shared():
            inside.append(name)
            release_shared.wait(10)
            inside.remove(name)

    def hold_exclusive() -> None:
        with lock.exclusive():
            assert inside == []
            inside.append("alone")
            release_exclusive.wait(10)
            assert inside == ["alone"]
            inside.remove("alone")

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(hold_shared, "first")
        wait_until(lambda: inside == ["first"])
        exclusive = pool.submit(hold_exclusive)
        release_shared.set()
        wait_until(lambda: inside == ["alone"])
        late = pool.submit(hold_shared, "late")
        release_exclusive.set()
        for future in (first, exclusive, late):
            future.result(timeout=10)


@pytest.mark.parametrize("enter", [SharedLock.shared, SharedLock.exclusive])
def test_a_thread_reports_again_and_again_while_it_waits_and_then_enters(
    enter: Callable[..., AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_lock, "REPORT_INTERVAL_S", 0.01)
    lock = SharedLock(threads=2)
    reports: list[None] = []

    def wait_and_enter() -> None:
        with enter(lock, lambda: reports.append(None)):
            pass

    with ThreadPoolExecutor(2) as pool:
        with lock.exclusive():
            first, behind = pool.submit(wait_and_enter), pool.submit(wait_and_enter)
            wait_until(lambda: len(reports) > 5, timeout_s=10)
        for future in (first, behind):
            future.result(timeout=10)
