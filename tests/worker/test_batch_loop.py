"""What the batch loops of one worker compute together, and what they report."""

import threading
from collections import Counter

import pytest

from benchmarks.services import wait_until
from jobs.protocol import JobResult, Keys, Prediction
from settings import Settings
from tests.conftest import Client
from tests.support.batch_loops import LANES, HeldNetwork, lanes, push
from worker import shared_lock


@pytest.mark.parametrize("attempt", [2, 3])
def test_a_job_that_was_tried_before_is_computed_while_no_other_lane_computes(
    attempt: int, settings: Settings, client: Client, keys: Keys
) -> None:
    suspect, network = 9, HeldNetwork()
    with lanes(settings, network) as lock:
        push(settings, client, 1)
        push(settings, client, 2)
        wait_until(lambda: network.inside == {1, 2})
        push(settings, client, suspect, attempt)
        wait_until(lock._entry.locked, timeout_s=10)  # its lane waits for the others to leave
        push(settings, client, 3)  # taken by the last lane, which has to wait behind the suspect
        wait_until(lambda: client.llen(keys.queue) == 0)
        network.release(1, 2)
        wait_until(lambda: network.inside == {suspect}, timeout_s=10)
        network.release(suspect)
        wait_until(lambda: network.inside == {3})
    assert [names for names in network.together if suspect in names] == [{suspect}]


def test_jobs_on_their_first_attempt_are_computed_together(settings: Settings, client: Client) -> None:
    network = HeldNetwork()
    with lanes(settings, network):
        for name in range(LANES):
            push(settings, client, name)
        wait_until(lambda: network.inside == set(range(LANES)), timeout_s=10)


def test_a_loop_leaves_other_streams_their_share_of_what_waits(settings: Settings, client: Client) -> None:
    network = HeldNetwork(batch_size=4, streams=2)
    for name in (1, 2, 3, 4):
        push(settings, client, name)
    with lanes(settings, network, count=1):
        wait_until(lambda: network.inside)
        assert network.inside == {1, 2}


def test_the_results_of_a_batch_say_who_computed_it_and_how_many_pictures_it_had(
    settings: Settings, client: Client, keys: Keys
) -> None:
    network = HeldNetwork(batch_size=3)
    done: list[int] = []
    network.release(1, 2, 3)
    for name in (1, 2, 3):
        push(settings, client, name)
    with lanes(settings, network, count=1, progress=lambda images=0: done.append(images)):
        wait_until(lambda: sum(done) == 3)
    for name in (1, 2, 3):
        result = JobResult.from_json(client.get(keys.result(f"{name}")))
        assert 0 < result.inference_s < 10
        predictions = (Prediction(f"label of {name}", 1.0),)
        assert result == JobResult(f"{name}", "w1", "m", predictions, None, result.inference_s, 3, "f", "float32")


def test_a_loop_without_jobs_makes_progress(settings: Settings) -> None:
    """Otherwise an idle worker would count as stuck."""
    progress: list[object] = []
    with lanes(settings, HeldNetwork(), count=1, progress=lambda: progress.append(None)):
        wait_until(lambda: len(progress) > 2, timeout_s=10)


def test_loops_that_wait_for_another_make_progress_and_that_which_computes_makes_none(
    settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a healthy worker would count as stuck, or one whose network hangs as healthy."""
    monkeypatch.setattr(shared_lock, "REPORT_INTERVAL_S", 0.01)
    network, progress = HeldNetwork(), Counter[int]()
    with lanes(settings, network, count=3, progress=lambda **_: progress.update([threading.get_ident()])) as lock:
        push(settings, client, 1)
        wait_until(lambda: network.inside == {1})
        push(settings, client, 9, attempt=2)
        wait_until(lock._entry.locked, timeout_s=10)  # its loop waits for the first
        push(settings, client, 3)  # its loop waits for the second
        wait_until(lambda: client.llen(keys.queue) == 0)
        before = progress.copy()
        wait_until(lambda: sum(count > before[loop] + 2 for loop, count in progress.items()) == 2, timeout_s=10)
        assert sum(progress[loop] == before[loop] for loop in progress) == 1


def test_a_loop_that_has_waited_for_others_makes_progress_before_it_computes(
    settings: Settings, client: Client, keys: Keys
) -> None:
    """Otherwise its batch would not have the whole stall time-out."""
    network = HeldNetwork()
    progress: list[None] = []
    with lanes(settings, network, count=1, progress=lambda **_: progress.append(None)) as lock:
        with lock.exclusive():
            push(settings, client, 1)
            wait_until(lambda: client.llen(keys.queue) == 0)
            before = len(progress)
        wait_until(lambda: network.inside == {1})
        assert len(progress) > before


def test_the_network_is_not_asked_about_a_batch_that_has_expired(
    settings: Settings, client: Client, keys: Keys
) -> None:
    network = HeldNetwork()
    network.release(1, 2)
    push(settings, client, 1, timeout_s=-1)
    push(settings, client, 2)
    with lanes(settings, network, count=1):
        wait_until(lambda: client.exists(keys.result("2")))
    assert network.together == [{2}]
