"""How many requests are in flight: more while they are answered, fewer when refused, none before the time has come."""

import threading

import pytest

from clients.pace import FIRST_LIMIT, FIRST_WAIT_S, LONGEST_WAIT_S, GaveUp, Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(pace: Pace) -> float:
    began = pace.begin()
    assert began is not None
    return began


def test_each_round_of_answers_allows_one_more_up_to_the_most(clock: Clock) -> None:
    pace = Pace(FIRST_LIMIT + 2, 60, clock)
    limits = []
    for _ in range(4):
        for _ in range(pace.limit + 1):
            begun(pace)
            pace.answered()
        limits.append(pace.limit)
    assert limits == [FIRST_LIMIT + 1, FIRST_LIMIT + 2, FIRST_LIMIT + 2, FIRST_LIMIT + 2]


def test_refusals_of_what_was_in_flight_together_halve_the_number_once(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    together = [begun(pace) for _ in range(FIRST_LIMIT)]
    clock.now_s = 1
    for began in together:
        pace.back_off(began, "busy", 1)
    assert pace.limit == FIRST_LIMIT // 2
    clock.now_s = 3
    pace.back_off(begun(pace), "busy", 1)
    assert pace.limit == FIRST_LIMIT // 4


def test_a_service_that_is_full_keeps_only_the_refused_request_waiting(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    assert pace.back_off(begun(pace), "full", 7) == 7
    assert pace.is_open
    assert pace.back_off(begun(pace), "no answer") > 0
    assert pace.is_open


@pytest.mark.parametrize(("most", "everyone"), [(64, True), (1, False)])
def test_nothing_begins_before_the_time_that_holds_for_every_request(most: int, everyone: bool, clock: Clock) -> None:
    pace = Pace(most, 60, clock)
    pace.back_off(begun(pace), "limited", 7, everyone=everyone)
    clock.now_s = 6.9
    assert not pace.is_open
    clock.now_s = 7
    assert pace.begin() == 7


def test_the_end_of_the_run_wakes_whoever_waits(clock: Clock) -> None:
    pace = Pace(1, 60, clock)
    pace.back_off(begun(pace), "busy", 50)
    waiting = [threading.Thread(target=pace.begin), threading.Thread(target=pace.rest, args=(50,))]
    for thread in waiting:
        thread.start()
    pace.stop()
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert pace.begin() is None


def test_while_the_service_is_away_the_waits_grow_and_only_one_asks(clock: Clock) -> None:
    pace = Pace(64, 3600, clock)
    while pace.limit > 1:
        pace.back_off(begun(pace), "connection refused")
        clock.now_s += 0.001
    clock.now_s = 60
    begun(pace)
    pace.answered()
    waits = []
    for _ in range(8):
        before = clock.now_s
        pace.back_off(begun(pace), "connection refused")
        while not pace.is_open:
            clock.now_s += 0.25
        waits.append(clock.now_s - before)
    assert waits[0] == FIRST_WAIT_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT_S
    assert pace.limit == 1


def test_the_wait_doubles_once_it_is_over_however_many_are_refused_meanwhile(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    for _ in range(6):
        assert pace.back_off(begun(pace), "busy") == FIRST_WAIT_S
        clock.now_s += 0.01
        if not pace.is_open:
            clock.now_s = 1
            break
    assert pace.back_off(begun(pace), "busy") == 2 * FIRST_WAIT_S


@pytest.mark.parametrize("everyone", [False, True])
def test_a_service_that_wants_to_be_asked_again_at_once_is_given_some_time(everyone: bool, clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    assert pace.back_off(begun(pace), "busy", 0, everyone) == FIRST_WAIT_S
    assert pace.is_open is not everyone


def test_it_gives_up_when_nothing_was_answered_for_so_long(clock: Clock) -> None:
    pace = Pace(64, 2, clock)
    pace.back_off(begun(pace), "connection refused")
    clock.now_s = 1.9
    pace.back_off(begun(pace), "connection refused")
    assert pace.trouble == (1.9, "connection refused")
    clock.now_s = 2.9
    with pytest.raises(GaveUp, match="has not classified anything for 3 s: connection refused"):
        pace.back_off(begun(pace), "connection refused")


def test_it_gives_up_when_the_service_wants_to_be_asked_again_too_late(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    with pytest.raises(GaveUp, match="wants to be asked again in 61 s: busy"):
        pace.back_off(begun(pace), "busy", 61)


def test_an_answer_ends_the_trouble(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    pace.back_off(begun(pace), "connection refused")
    clock.now_s = 50
    begun(pace)
    pace.answered()
    assert pace.trouble is None
    clock.now_s = 70
    pace.back_off(begun(pace), "connection refused")
    assert pace.trouble == (0.0, "connection refused")


def test_it_tells_whether_others_were_answered_since(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    first, _ = begun(pace), begun(pace)
    clock.now_s = 1
    pace.answered()
    assert pace.answered_since(first)
    clock.now_s = 2
    assert not pace.answered_since(begun(pace))


def test_a_picture_that_has_failed_lets_the_time_to_give_up_begin_anew(clock: Clock) -> None:
    pace = Pace(64, 60, clock)
    pace.back_off(begun(pace), "timeout")
    clock.now_s = 50
    pace.be_patient()
    clock.now_s = 100
    pace.back_off(begun(pace), "timeout")
    assert pace.trouble == (50.0, "timeout")
