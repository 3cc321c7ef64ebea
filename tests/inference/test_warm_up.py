"""Which batch size is measured, with engines that only pretend to take time."""

import threading

import pytest

from inference.warm_up import warm_up
from tests.support.pretended_engine import PretendedEngine


def measure(engine: PretendedEngine, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("time.perf_counter", engine.now)
    return warm_up(engine, "auto")


@pytest.mark.parametrize("streams", [1, 2, 5])
def test_a_batch_is_chosen_where_batches_pay(streams: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1 ms for each batch, 2 ms between batches and 9 ms for each picture, doubling saves 12, 7, 4 and 2 %."""
    engine = PretendedEngine(lambda size: 0.001 + 0.009 * size, streams)
    assert measure(engine, monkeypatch) == 8


def test_a_small_network_gets_batches_for_what_lies_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2 ms between batches and 5 ms for each picture, doubling saves 14, 8, 5 and 2 %; the last is not tried."""
    engine = PretendedEngine(lambda size: 0.005 * size)
    assert measure(engine, monkeypatch) == engine.largest == 8


@pytest.mark.parametrize("lost", [0.002, 0.001], ids=["not at all", "hardly"])
def test_the_batch_size_is_1_where_batches_do_not_pay(lost: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved between batches is lost in the network, all or half of it."""
    engine = PretendedEngine(lambda size: 0.02 * size + lost * (size - 1))
    assert measure(engine, monkeypatch) == 1
    assert engine.largest == 2


def test_what_a_batch_needed_that_was_only_tried_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PretendedEngine(lambda size: 0.02 * size + 0.002 * (size - 1))
    measure(engine, monkeypatch)
    assert (engine.largest, engine.kept) == (2, 0)


def test_no_batch_is_larger_than_32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure(PretendedEngine(lambda _: 0.01), monkeypatch) == 32


def test_an_engine_that_is_slow_on_the_first_batch_of_another_size_gets_no_batches_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last = threading.local()

    def seconds(size: int) -> float:
        changed = getattr(last, "size", None) != size
        last.size = size
        return 0.02 * size + 0.002 * (size - 1) + (0.2 if changed else 0)

    assert measure(PretendedEngine(seconds), monkeypatch) == 1


def test_batches_that_would_make_the_start_slow_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PretendedEngine(lambda _: 0.1)
    assert measure(engine, monkeypatch) == 1
    assert engine.largest == 1


def test_all_streams_compute_while_a_batch_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    main, seen, all_there = threading.current_thread(), threading.local(), threading.Barrier(3)

    def seconds(size: int) -> float:
        if threading.current_thread() != main and not hasattr(seen, "waited"):
            seen.waited = all_there.wait(timeout=10)
        return 0.01 * size + 0.002 * (size - 1)

    assert measure(PretendedEngine(seconds, streams=3), monkeypatch) == 1


def test_an_engine_that_fails_on_a_batch_does_not_keep_the_other_streams_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def seconds(size: int) -> float:
        if size > 1:
            raise MemoryError
        return 0.001

    with pytest.raises(MemoryError):
        measure(PretendedEngine(seconds), monkeypatch)


def test_a_batch_size_that_is_set_is_not_measured() -> None:
    engine = PretendedEngine(lambda _: 0.01)
    assert warm_up(engine, 3) == engine.largest == 3
