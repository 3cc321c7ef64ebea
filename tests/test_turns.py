"""What turns promise the threads that wait for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services import wait_until
from turns import Turns


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns = Turns(at_once=1)
    assert turns.take(0)
    served: list[int] = []

    def wait_for_a_turn(number: int) -> None:
        assert turns.take(10)
        served.append(number)
        turns.give_back()

    with ThreadPoolExecutor(10) as pool:
        for number in range(10):
            pool.submit(wait_for_a_turn, number)
            wait_until(lambda asked=number + 1: len(turns._waiting) == asked)  # type: ignore[misc]
        turns.give_back()
    assert served == list(range(10))


def test_a_turn_goes_to_who_waits_and_not_to_who_comes_by() -> None:
    turns = Turns(at_once=1)
    assert turns.take(0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.take, 10)
        wait_until(lambda: turns._waiting)
        turns.give_back()
        assert not turns.take(0)
        assert waiting.result()


def test_who_has_waited_too_long_leaves_no_gap_in_the_row() -> None:
    turns = Turns(at_once=2)
    assert turns.take(0)
    assert turns.take(0)
    assert not turns.take(0.01)
    turns.give_back()
    turns.give_back()
    assert [turns.take(0) for _ in range(3)] == [True, True, False]


def test_a_turn_that_comes_at_the_last_moment_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(at_once=1)
    assert turns.take(0)

    class TooLate:
        """A lock that is released just after the time is up."""

        def acquire(self, timeout: float = -1) -> bool:
            if timeout >= 0:
                turns.give_back()
            return False

        def release(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", TooLate)
        assert turns.take(0.01)
    turns.give_back()
    assert [turns.take(0) for _ in range(2)] == [True, False]
