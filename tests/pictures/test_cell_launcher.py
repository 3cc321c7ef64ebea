"""Whatever happens to the program that forks cells, requests get an answer."""

import signal
from collections.abc import Callable, Iterator

import psutil
import pytest

from errors import ServiceUnavailable
from pictures.cell_launcher import REPLY_TIMEOUT_S, SERVER_MODULE, CellLauncher
from pictures.decoding import DecodingOptions
from pictures.lanes import lane_limits
from pictures.observers import Lane
from tests.conftest import MakeSettings
from tests.support.cell_servers import cell_servers

MakeLauncher = Callable[[str], CellLauncher]


@pytest.fixture
def make_launcher(make_settings: MakeSettings) -> Iterator[MakeLauncher]:
    launchers: list[CellLauncher] = []

    def make(module: str) -> CellLauncher:
        settings = make_settings()
        launchers.append(CellLauncher(DecodingOptions.of(settings), lane_limits(settings), module))
        return launchers[-1]

    yield make
    for launcher in launchers:
        launcher.close()


def program_of(launcher: CellLauncher) -> psutil.Process:
    """Return the one program that this launcher has started, whatever others this process has."""
    assert launcher._process
    return psutil.Process(launcher._process.pid)


def test_where_the_system_has_no_more_processes_the_request_is_refused_and_the_cells_go_on(
    make_launcher: MakeLauncher,
) -> None:
    module = "tests.support.processless_cell_server"
    launcher = make_launcher(module)
    pids = []
    for _ in range(2):
        with pytest.raises(ServiceUnavailable, match="no process"):
            launcher.fork(Lane.FAST)
        pids += [server.pid for server in cell_servers(module)]
    assert len(pids) == 2
    assert len(set(pids)) == 1


def test_a_program_that_hangs_is_replaced(make_launcher: MakeLauncher) -> None:
    launcher = make_launcher(SERVER_MODULE)
    launcher.fork(Lane.FAST)[1].close()
    hanging = program_of(launcher)
    assert launcher._control
    assert launcher._control.gettimeout() == REPLY_TIMEOUT_S
    launcher._control.settimeout(0.2)  # for the one that hangs; the next one gets the time that it needs to start
    hanging.suspend()
    launcher.fork(Lane.FAST)[1].close()
    assert not hanging.is_running()


def test_a_cell_of_a_program_that_died_counts_as_killed_and_the_next_program_goes_on(
    make_launcher: MakeLauncher,
) -> None:
    launcher = make_launcher(SERVER_MODULE)
    pid, connection = launcher.fork(Lane.FAST)
    connection.close()
    program = program_of(launcher)
    program.kill()
    launcher.fork(Lane.FAST)[1].close()
    another = program_of(launcher)
    assert another != program
    assert launcher.reap(pid) == -signal.SIGKILL
    assert program_of(launcher) == another
    assert another.is_running()


def test_a_program_that_cannot_start_costs_a_request_a_503(make_launcher: MakeLauncher) -> None:
    with pytest.raises(ServiceUnavailable, match="no process"):
        make_launcher("no.such.module").fork(Lane.FAST)
