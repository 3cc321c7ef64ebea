"""Decoding processes: whatever a picture does to one, it costs that picture its answer, and nothing else."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import psutil
import pytest
from PIL import Image

from benchmarks.costly_headers import gif_of_comments
from benchmarks.services import wait_until
from errors import (
    BadImage,
    ClientGone,
    DeadlineExceeded,
    ImageTooLarge,
    ServiceError,
    ServiceUnavailable,
    UnsupportedFormat,
)
from pictures import cell_pool, lanes
from pictures.cell_pool import CellPool
from pictures.confinement import Confinement
from pictures.decoding import DecodingOptions, decode_image
from pictures.observers import CellEnd, DecodingObserver, Lane
from settings import Settings
from tests.conftest import CASTLE, MakeSettings, picture
from tests.support.bad_pictures import saved
from tests.support.cell_servers import cell_servers, has_ended
from tests.support.faulty_cell_server import SLOW_TWICE

FAULTY = "tests.support.faulty_cell_server"
IDLE_CELLS = 4
CORES = len(os.sched_getaffinity(0))


class Recorder(DecodingObserver):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []
        self.ends: list[tuple[Lane, CellEnd]] = []
        self.picture_pixels: list[int] = []

    def decoded(self, lane: Lane, wait_s: float, decode_s: float) -> None:
        assert wait_s >= 0
        assert decode_s >= 0
        self.lanes.append(lane)

    def picture_decoded(self, picture_pixels: int) -> None:
        self.picture_pixels.append(picture_pixels)

    def cell_died(self, lane: Lane, end: CellEnd) -> None:
        self.ends.append((lane, end))


def in_a_minute() -> float:
    return time.monotonic() + 60


def is_good(pool: CellPool) -> bool:
    """Also starts the server of the cells, if necessary, however little time the pool's requests have."""
    return pool.decode(picture("white"), lambda: False, in_a_minute()) == b"\xff" * 224 * 224 * 3


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(decode_timeout_s=0.5, request_timeout_s=20, api_keys="hunter2")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def pool(settings: Settings, recorder: Recorder) -> Iterator[CellPool]:
    with closing(CellPool(settings, recorder, FAULTY)) as pool:
        yield pool
        left = [*cell_servers(FAULTY), *cells()]
    wait_until(lambda: all(map(has_ended, left)))


@pytest.mark.parametrize("format", ["JPEG", "HEIC"])
def test_a_cell_gives_the_pixels_that_decoding_here_would_give(
    format: str,  # noqa: A002
    pool: CellPool,
    settings: Settings,
) -> None:
    upload = CASTLE.read_bytes()
    if format == "HEIC":
        with Image.open(CASTLE) as castle:
            upload = saved(castle, format)
    assert pool.decode(upload, lambda: False) == decode_image(upload, DecodingOptions.of(settings))


@pytest.mark.parametrize(
    ("upload", "error", "detail"),
    [
        (b"", BadImage, "empty"),
        (b"no picture", BadImage, "not a picture"),
        (picture(format="PPM"), UnsupportedFormat, "PPM"),
        (picture(size=(65_536, 1)), ImageTooLarge, "65536 x 1"),
    ],
)
def test_errors_come_through_as_they_are(
    upload: bytes, error: type[ServiceError], detail: str, pool: CellPool, recorder: Recorder
) -> None:
    with pytest.raises(error, match=detail):
        pool.decode(upload, lambda: False)
    assert recorder.ends == []


@pytest.mark.parametrize(
    ("upload", "error", "detail", "ends"),
    [
        (b"crash", BadImage, "crashed", [(Lane.FAST, CellEnd.CRASH)]),
        (b"exit", BadImage, "crashed", [(Lane.FAST, CellEnd.CRASH)]),
        (b"loop", ImageTooLarge, r"more than 0\.5 s", [(Lane.FAST, CellEnd.TIME), (Lane.SLOW, CellEnd.TIME)]),
        (SLOW_TWICE, ImageTooLarge, r"more than 0\.5 s", [(Lane.FAST, CellEnd.TIME), (Lane.SLOW, CellEnd.TIME)]),
        (b"allocate", ImageTooLarge, "memory", []),
        (b"lie", BadImage, "crashed", [(Lane.FAST, CellEnd.CRASH)]),
        (b"nonsense", BadImage, "crashed", [(Lane.FAST, CellEnd.CRASH)]),
    ],
    ids=["crash", "exit", "loop", "slow twice", "allocate", "lie", "nonsense"],
)
def test_a_picture_that_breaks_its_cell_gets_an_error_and_the_next_one_a_new_cell(
    upload: bytes,
    error: type[ServiceError],
    detail: str,
    ends: list[tuple[Lane, CellEnd]],
    pool: CellPool,
    recorder: Recorder,
) -> None:
    for _ in range(2):
        with pytest.raises(error, match=detail):
            pool.decode(upload, lambda: False)
        assert is_good(pool)
    assert recorder.ends == ends * 2


def test_a_header_that_needs_too_much_memory_is_too_large(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MEMORY_BYTES", 100 * 1024 * 1024)
    with closing(CellPool(make_settings(decode_timeout_s=60))) as pool:
        with pytest.raises(ImageTooLarge, match="too much memory"):
            pool.decode(gif_of_comments(), lambda: False)
        assert is_good(pool)


def test_the_pixels_of_decoded_pictures_are_reported_by_their_headers(pool: CellPool, recorder: Recorder) -> None:
    pool.decode(CASTLE.read_bytes(), lambda: False)
    pool.decode(picture(size=(3000, 2000)), lambda: False)
    with pytest.raises(BadImage):
        pool.decode(b"no picture", lambda: False)
    assert recorder.picture_pixels == [800 * 480, 3000 * 2000]


def test_a_cell_cannot_report_more_pixels_than_a_picture_may_have(
    pool: CellPool, settings: Settings, recorder: Recorder
) -> None:
    assert pool.decode(b"boast", lambda: False)
    assert recorder.picture_pixels == [settings.max_image_pixels]


def test_a_picture_that_takes_long_goes_on_in_the_slow_lane(pool: CellPool, recorder: Recorder) -> None:
    with pytest.raises(BadImage, match="not a picture"):
        pool.decode(b"slow", lambda: False)
    assert recorder.lanes == [Lane.FAST, Lane.SLOW]
    assert recorder.ends == [(Lane.FAST, CellEnd.TIME)]


def test_an_expensive_picture_goes_on_in_the_slow_lane(pool: CellPool, recorder: Recorder) -> None:
    assert pool.decode(picture(size=(3000, 2000)), lambda: False)
    assert recorder.lanes == [Lane.FAST, Lane.SLOW]
    assert recorder.ends == []


def test_expensive_pictures_do_not_keep_cheap_ones_waiting(make_settings: MakeSettings) -> None:
    settings = make_settings(decode_timeout_s=60, request_timeout_s=60)
    with closing(CellPool(settings, server_module=FAULTY)) as pool, ThreadPoolExecutor(3 * CORES) as others:
        stuck = [others.submit(pool.decode, b"loop", lambda: False) for _ in range(3 * CORES)]
        try:
            # Each of them leaves the fast lane by itself.
            assert all(is_good(pool) for _ in range(20))
            assert not any(future.done() for future in stuck)
        finally:
            wait_until(lambda: kill_cells() and all(future.done() for future in stuck))


def cells() -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for server in cell_servers(FAULTY):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            found += server.children()
    return found


def kill_cells() -> bool:
    for cell in cells():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            cell.kill()
    return True


def test_a_cell_that_somebody_kills_costs_nobody_an_answer(pool: CellPool, recorder: Recorder) -> None:
    assert is_good(pool)
    for cell in cells():
        cell.kill()
        wait_until(lambda cell=cell: has_ended(cell))  # type: ignore[misc]
    assert is_good(pool)
    assert recorder.ends == [(Lane.FAST, CellEnd.KILLED)]


def test_when_the_server_of_the_cells_is_killed_another_one_is_started(pool: CellPool) -> None:
    assert is_good(pool)
    (server,) = cell_servers(FAULTY)
    old = cells()
    server.kill()
    wait_until(lambda: all(map(has_ended, old)))
    assert is_good(pool)
    (another,) = cell_servers(FAULTY)
    assert another.pid != server.pid


def start_idle_cells(pool: CellPool) -> list[psutil.Process]:
    """Have the pool keep as many idle cells as after that many requests at once; return them."""
    fast = pool._lanes[Lane.FAST]
    fast._idle.extend(fast._launcher.fork(Lane.FAST) for _ in range(IDLE_CELLS))
    return cells()


def test_idle_cells_that_somebody_kills_cost_nobody_an_answer(pool: CellPool) -> None:
    idle = start_idle_cells(pool)
    assert len(idle) == IDLE_CELLS
    kill_cells()
    wait_until(lambda: all(map(has_ended, idle)))
    assert all(is_good(pool) for _ in range(IDLE_CELLS + 1))


def test_a_server_of_the_cells_that_somebody_kills_costs_no_request_an_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: range(IDLE_CELLS))
    with closing(CellPool(settings, server_module=FAULTY)) as pool, ThreadPoolExecutor(IDLE_CELLS) as clients:
        idle = start_idle_cells(pool)
        (server,) = cell_servers(FAULTY)
        server.kill()
        wait_until(lambda: all(map(has_ended, idle)))
        assert all(clients.map(is_good, [pool] * 3 * IDLE_CELLS))
        (another,) = cell_servers(FAULTY)
        assert another.pid != server.pid


def test_a_picture_whose_cells_somebody_kills_twice_is_refused_for_now_but_not_called_damaged(
    pool: CellPool, recorder: Recorder
) -> None:
    with ThreadPoolExecutor(1) as client:
        decoding = client.submit(pool.decode, b"wait", lambda: False)
        wait_until(lambda: kill_cells() and decoding.done())
    with pytest.raises(ServiceUnavailable, match="were killed; try again") as refusal:
        decoding.result()
    assert refusal.value.headers == {"Retry-After": "1"}
    assert recorder.ends == [(Lane.FAST, CellEnd.KILLED)] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_what_tells_a_web_server_to_stop_leaves_its_cells_to_the_requests_in_hand(number: int, pool: CellPool) -> None:
    assert is_good(pool)
    processes = [*cell_servers(FAULTY), *cells()]
    assert len(processes) == 2
    for process in processes:
        process.send_signal(number)
    assert is_good(pool)
    assert [*cell_servers(FAULTY), *cells()] == processes


def test_a_cell_knows_no_secret_and_has_no_file_but_its_socket(pool: CellPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "hunter2")
    with pytest.raises(BadImage, match=r"^environment (?!.*hunter2)"):
        pool.decode(b"environment", lambda: False)
    with pytest.raises(BadImage, match=r"^files \[0, 1, 2, \d+\]$"):
        pool.decode(b"files", lambda: False)
    with pytest.raises(BadImage, match="crashed"):
        pool.decode(b"open a file", lambda: False)
    (server,) = cell_servers(FAULTY)
    assert "hunter2" not in str(server.cmdline()) + str(server.environ())


@pytest.fixture
def with_libseccomp() -> None:
    if not Confinement().filters_system_calls:
        pytest.skip("needs libseccomp and a kernel that filters system calls: apt-get install libseccomp2")


@pytest.mark.usefixtures("with_libseccomp")
def test_the_kernel_lets_a_cell_start_threads_but_no_process_and_reach_nothing(pool: CellPool) -> None:
    with pytest.raises(BadImage, match=re.escape(f"refused {['EPERM'] * 5}")):
        pool.decode(b"escape", lambda: False)
    with pytest.raises(BadImage, match="not a picture"):
        pool.decode(b"start a thread", lambda: False)


@pytest.mark.usefixtures("with_libseccomp")
def test_where_libseccomp_is_missing_cells_do_without_its_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    assert not Confinement().filters_system_calls


def test_a_cell_that_never_answers_is_killed_when_the_request_is_over(make_settings: MakeSettings) -> None:
    with closing(CellPool(make_settings(request_timeout_s=2), server_module=FAULTY)) as pool:
        assert is_good(pool)
        with pytest.raises(DeadlineExceeded, match="did not end within 2 s"):
            pool.decode(b"wait", lambda: False)
        assert cells() == []


@pytest.mark.parametrize("upload", [b"wait", b"dribble"])
def test_decoding_has_only_what_is_left_of_the_time_of_the_request(upload: bytes, make_settings: MakeSettings) -> None:
    with closing(CellPool(make_settings(request_timeout_s=4), server_module=FAULTY)) as pool:
        assert is_good(pool)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="did not end within 4 s"):
            pool.decode(upload, lambda: False, deadline=began + 2.2)
        assert 2.2 <= time.monotonic() - began < 4
        assert cells() == []


def test_no_more_expensive_pictures_are_decoded_at_once_than_fit_into_half_of_the_memory(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: range(16))
    monkeypatch.setattr(cell_pool, "memory_bytes", lambda: 12 * 1024**3)
    with closing(CellPool(make_settings(web_processes=2), server_module=FAULTY)) as pool:
        semaphore = pool._lanes[Lane.SLOW].semaphore
        assert [semaphore.acquire(0) for _ in range(4)] == [True, True, True, False]


def test_no_more_pictures_are_decoded_at_once_than_there_are_cores(make_settings: MakeSettings) -> None:
    settings = make_settings(request_timeout_s=60)
    with closing(CellPool(settings, server_module=FAULTY)) as pool, ThreadPoolExecutor(CORES) as others:
        stuck = [others.submit(pool.decode, b"wait", lambda: False, in_a_minute()) for _ in range(CORES)]
        try:
            wait_until(lambda: len(cells()) == CORES)
            # Almost half of its time is over, so that the wait is short.
            with pytest.raises(DeadlineExceeded, match="did not start within 30 s"):
                pool.decode(picture(), lambda: False, time.monotonic() + 30.5)
            assert not any(future.done() for future in stuck)
        finally:
            wait_until(lambda: kill_cells() and all(future.done() for future in stuck))


def test_who_has_hung_up_is_not_decoded_for(pool: CellPool) -> None:
    with pytest.raises(ClientGone):
        pool.decode(picture(), lambda: True)
    assert cell_servers(FAULTY) == []


def test_the_cells_end_with_their_web_server(settings: Settings) -> None:
    pool = CellPool(settings, server_module=FAULTY)
    assert is_good(pool)
    (server,) = cell_servers(FAULTY)
    os.kill(server.pid, signal.SIGSTOP)
    del pool
    wait_until(lambda: has_ended(server))
