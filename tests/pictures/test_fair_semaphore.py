"""The fair semaphore: first come, first served."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.services import wait_until
from pictures.fair_semaphore import FairSemaphore


def test_threads_acquire_in_the_order_in_which_they_asked() -> None:
    semaphore = FairSemaphore(value=1)
    assert semaphore.acquire(0)
    served: list[int] = []

    def enter(number: int) -> None:
        assert semaphore.acquire(10)
        served.append(number)
        semaphore.release()

    with ThreadPoolExecutor(10) as pool:
        for number in range(10):
            pool.submit(enter, number)
            wait_until(lambda asked=number + 1: len(semaphore._waiting) == asked)  # type: ignore[misc]
        semaphore.release()
    assert served == list(range(10))


def test_a_thread_that_arrives_does_not_overtake_one_that_waits() -> None:
    semaphore = FairSemaphore(value=1)
    assert semaphore.acquire(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(semaphore.acquire, 10)
        wait_until(lambda: semaphore._waiting)
        semaphore.release()
        assert not semaphore.acquire(0)
        assert waiting.result()


def test_who_wants_many_places_is_not_overtaken_by_those_who_want_few() -> None:
    semaphore = FairSemaphore(value=3)
    assert semaphore.acquire(0, count=2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(semaphore.acquire, 10, count=3)
        wait_until(lambda: semaphore._waiting)
        assert not semaphore.acquire(0)
        semaphore.release(count=2)
        assert waiting.result()
    assert not semaphore.acquire(0)
    semaphore.release(count=3)
    assert semaphore.acquire(0, count=3)


def test_who_gives_up_lets_in_those_behind_it_who_want_fewer_places() -> None:
    semaphore = FairSemaphore(value=2)
    assert semaphore.acquire(0)
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(semaphore.acquire, 1, count=2)
        wait_until(lambda: len(semaphore._waiting) == 1)
        few = pool.submit(semaphore.acquire, 60)
        assert not many.result()
        assert few.result()


def test_a_thread_that_timed_out_does_not_use_up_a_release() -> None:
    semaphore = FairSemaphore(value=2)
    assert semaphore.acquire(0)
    assert semaphore.acquire(0)
    assert not semaphore.acquire(0.01)
    semaphore.release()
    semaphore.release()
    assert [semaphore.acquire(0) for _ in range(3)] == [True, True, False]


def test_a_release_at_the_moment_of_a_timeout_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    semaphore = FairSemaphore(value=1)
    assert semaphore.acquire(0)

    class TooLate:
        """A lock that is released just after its acquire has timed out."""

        def acquire(self, timeout: float = -1) -> bool:
            if timeout >= 0:
                semaphore.release()
            return False

        def release(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", TooLate)
        assert semaphore.acquire(0.01)
    semaphore.release()
    assert [semaphore.acquire(0) for _ in range(2)] == [True, False]
