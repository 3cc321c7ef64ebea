"""What lanes of one worker promise one another."""

import threading
from concurrent.futures import ThreadPoolExecutor

from lane import Room
from tests.services import wait_until


def test_all_lanes_compute_together() -> None:
    room = Room(lanes=3)
    everybody = threading.Barrier(3, timeout=10)

    def enter() -> None:
        with room.together():
            everybody.wait()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(enter) for _ in range(3)]:
            future.result()


def test_who_wants_to_be_alone_waits_for_the_others_and_keeps_them_out() -> None:
    room = Room(lanes=2)
    leave, leave_alone = threading.Event(), threading.Event()
    inside: list[str] = []

    def together(name: str) -> None:
        with room.together():
            inside.append(name)
            leave.wait(10)
            inside.remove(name)

    def alone() -> None:
        with room.alone():
            assert inside == []
            inside.append("alone")
            leave_alone.wait(10)
            assert inside == ["alone"]
            inside.remove("alone")

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(together, "first")
        wait_until(lambda: inside == ["first"])
        hermit = pool.submit(alone)
        leave.set()
        wait_until(lambda: inside == ["alone"])
        late = pool.submit(together, "late")
        leave_alone.set()
        for future in (first, hermit, late):
            future.result(timeout=10)
