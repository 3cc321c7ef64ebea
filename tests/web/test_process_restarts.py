"""Processes of a web server that die are replaced: at once, but not again and again without a pause."""

import os
import signal
from pathlib import Path

import pytest

from benchmarks.services import Services, answers, wait_until
from web.process_restarts import FORGET_S, LONGEST_PAUSE_S, YOUNG_S, RestartPauses


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_each_young_death_in_a_row_doubles_the_pause_up_to_a_limit() -> None:
    clock = Clock()
    pauses = RestartPauses(clock)
    seen = []
    for _ in range(9):
        pauses.died(clock.now - YOUNG_S / 2)
        seen.append(pauses.left_s())
        clock.now += pauses.left_s()
        assert pauses.left_s() == 0
    assert seen == [0, 1, 2, 4, 8, 16, 30, 30, LONGEST_PAUSE_S]


def test_processes_that_lived_for_a_while_are_replaced_at_once() -> None:
    clock = Clock()
    pauses = RestartPauses(clock)
    for _ in range(5):
        pauses.died(clock.now - YOUNG_S)
        assert pauses.left_s() == 0


def test_young_deaths_now_and_then_cost_no_pause() -> None:
    clock = Clock()
    pauses = RestartPauses(clock)
    for _ in range(5):
        pauses.died(clock.now - 1)
        assert pauses.left_s() == 0
        clock.now += FORGET_S + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_web_server_in_a_pause_between_restarts_stops_at_once(number: int, services: Services) -> None:
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    pid = web_server.popen.pid
    killed: set[int] = set()
    while len(killed) < 4:
        wait_until(lambda: set(children(pid)) - killed)
        (child,) = children(pid)
        os.kill(child, signal.SIGKILL)
        killed.add(child)
        wait_until(lambda child=child: child not in children(pid))  # type: ignore[misc]
    # The fourth death costs 4 s; the first costs nothing.
    wait_until(lambda: web_server.output.count("process_restart_paused level=warning running=0") == 3)
    assert children(pid) == []
    web_server.popen.send_signal(number)
    assert web_server.popen.wait(3) == 0
    assert not answers(f"{url}/livez")


def test_a_web_server_serves_again_after_a_pause(services: Services) -> None:
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    pid = web_server.popen.pid
    for _ in range(2):
        wait_until(lambda: children(pid))
        (child,) = children(pid)
        os.kill(child, signal.SIGKILL)
        wait_until(lambda child=child: child not in children(pid))  # type: ignore[misc]
    wait_until(lambda: answers(f"{url}/livez"))
    assert web_server.output.count("process_restart_paused") == 1
