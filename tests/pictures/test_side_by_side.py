"""The pictures of one request are decoded side by side, a few at once, and within the time of the request."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import cast

import pytest

from benchmarks.services import wait_until
from errors import BadImage, ClientGone, DeadlineExceeded, ServiceUnavailable
from pictures.cell_pool import CellPool
from pictures.side_by_side import MAX_AT_ONCE, decode_all
from tests.conftest import MakeSettings, picture

FAULTY = "tests.support.faulty_cell_server"
AT_ONCE = min(MAX_AT_ONCE, len(os.sched_getaffinity(0)))
WHITE = b"\xff" * 224 * 224 * 3


def in_20_s() -> float:
    return time.monotonic() + 20


@pytest.fixture
def pool(make_settings: MakeSettings) -> Iterator[CellPool]:
    pool = CellPool(make_settings(request_timeout_s=20), server_module=FAULTY)
    yield pool
    pool.close()


class CountingCells:
    """Decodes nothing, but only as many pictures at once as there may be."""

    def __init__(self) -> None:
        self.in_progress = 0
        self.most = 0
        self._lock = threading.Lock()
        self._all_began = threading.Barrier(AT_ONCE)

    def decode(self, upload: bytes, client_gone: object, deadline: float) -> bytes:
        with self._lock:
            self.in_progress += 1
            self.most = max(self.most, self.in_progress)
        self._all_began.wait(timeout=10)
        with self._lock:
            self.in_progress -= 1
        return upload


def test_each_picture_has_its_pixels_or_its_error_in_the_same_order(pool: CellPool) -> None:
    uploads = [picture("white"), b"no picture", picture("white", "JPEG"), picture("black")]
    decoded = decode_all(pool, uploads, lambda: False, in_20_s())
    assert isinstance(decoded[1], BadImage)
    assert [decoded[0], decoded[2], decoded[3]] == [WHITE, WHITE, bytes(len(WHITE))]


def test_a_few_pictures_of_a_request_are_decoded_at_once_and_no_more() -> None:
    cells = CountingCells()
    uploads = [bytes([number]) for number in range(4 * AT_ONCE)]
    assert decode_all(cast(CellPool, cells), uploads, lambda: False, in_20_s()) == uploads
    assert cells.most == AT_ONCE


def test_one_picture_needs_no_other_thread() -> None:
    threads: list[threading.Thread] = []
    cells = CountingCells()
    cells.decode = lambda upload, *_: threads.append(threading.current_thread()) or upload  # type: ignore[method-assign, func-returns-value]
    decode_all(cast(CellPool, cells), [b"picture"], lambda: False, in_20_s())
    assert threads == [threading.current_thread()]


def test_all_pictures_share_the_time_in_which_decoding_has_to_start(make_settings: MakeSettings) -> None:
    with closing(CellPool(make_settings(request_timeout_s=4), server_module=FAULTY)) as pool:
        pool.decode(picture(), lambda: False, in_20_s())  # starts the server of the cells
        deadline = time.monotonic() + 4
        details = [str(error) for error in decode_all(pool, [b"wait"] * (3 * AT_ONCE), lambda: False, deadline)]
    assert sum("did not end within 4 s" in detail for detail in details) == AT_ONCE
    assert sum("did not start within 2 s" in detail for detail in details) == 2 * AT_ONCE


def test_a_client_that_hangs_up_ends_the_decoding_of_its_other_pictures(pool: CellPool) -> None:
    with pytest.raises(ClientGone):
        decode_all(pool, [picture()] * 20, lambda: True, in_20_s())
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("decode")])


def test_what_took_too_long_is_an_error_of_its_own(make_settings: MakeSettings) -> None:
    with closing(CellPool(make_settings(request_timeout_s=4), server_module=FAULTY)) as pool:
        pool.decode(picture(), lambda: False, in_20_s())  # starts the server of the cells
        decoded = decode_all(pool, [picture("white"), b"wait"], lambda: False, time.monotonic() + 2.5)
    assert decoded[0] == WHITE
    assert isinstance(decoded[1], DeadlineExceeded)


@pytest.mark.parametrize("startable", range(AT_ONCE))
def test_without_threads_all_pictures_are_refused_and_may_be_sent_again(
    startable: int, pool: CellPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, left = threading.Thread.start, [None] * startable

    def start_some(thread: threading.Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    decoded = decode_all(pool, [picture("white")] * 20, lambda: False, in_20_s())
    assert [type(error) for error in decoded] == [ServiceUnavailable] * 20
    assert {error.retry_after_s for error in decoded if isinstance(error, ServiceUnavailable)} == {1}
