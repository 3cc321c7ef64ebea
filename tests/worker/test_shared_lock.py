"""The lock between the batch loops of one worker."""

import threading
from concurrent.futures import ThreadPoolExecutor

from benchmarks.services import wait_until
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
