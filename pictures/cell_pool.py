"""Decodes uploads in cells, so that no picture can harm the web server or take the cores from others.

There are two lanes, each with cells of its own and first come, first served. A picture starts in the fast lane. If its
header says that it is expensive, or if it takes too long there, it goes on to the slow lane, whose cells give way to
all other work. So cheap pictures always get through.
"""

import os
import signal
import socket
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from errors import (
    BadImage,
    ClientGone,
    DeadlineExceeded,
    ImageTooLarge,
    ServiceError,
    ServiceUnavailable,
    UnsupportedFormat,
)
from logger import log
from pictures.cell_launcher import SERVER_MODULE, CellLauncher
from pictures.cell_messages import ConnectionClosed, Kind, Message, receive_message, send_message
from pictures.decoding import DecodingOptions
from pictures.fair_semaphore import FairSemaphore
from pictures.lanes import lane_limits, slow_cells
from pictures.memory import memory_bytes
from pictures.observers import CellEnd, DecodingObserver, Lane
from settings import Settings

# A request that has waited longer than this share of its time would hardly be answered in the rest of it, and decoding
# a picture for nobody delays all requests behind it.
MAX_WAIT_SHARE = 0.5
MAX_DETAIL_BYTES = 4096
_ERRORS: dict[Kind, type[ServiceError]] = {
    Kind.BAD_IMAGE: BadImage,
    Kind.IMAGE_TOO_LARGE: ImageTooLarge,
    Kind.UNSUPPORTED_FORMAT: UnsupportedFormat,
}
_ENDS = {-signal.SIGPROF: CellEnd.TIME, -signal.SIGKILL: CellEnd.KILLED}


class CellDied(Exception):
    """A cell has ended in the middle of a picture."""

    def __init__(self, end: CellEnd, status: int) -> None:
        super().__init__(f"{end}, status {status}")
        self.end = end


class CellPool:
    """Decodes uploads; safe to use from many threads. Its processes end when it is closed or garbage-collected.

    Args:
        settings: shape, crop, limits and time-outs.
        observer: hears of every picture.
        server_module: the program that forks cells, which a test may replace.
    """

    def __init__(
        self, settings: Settings, observer: DecodingObserver | None = None, server_module: str = SERVER_MODULE
    ) -> None:
        options = DecodingOptions.of(settings)
        self._pixels_bytes = options.shape.num_bytes
        self._decode_timeout_s = settings.decode_timeout_s
        self._request_timeout_s = settings.request_timeout_s
        self._observer = observer or DecodingObserver()
        self._max_picture_pixels = options.limits.max_pixels
        self._launcher = launcher = CellLauncher(options, lane_limits(settings), server_module)
        cores = len(os.sched_getaffinity(0))
        slow = slow_cells(memory_bytes(), cores, settings.web_processes)
        longest = max(MAX_DETAIL_BYTES, self._pixels_bytes)
        self._lanes = {
            Lane.FAST: _Cells(launcher, Lane.FAST, cores, longest),
            Lane.SLOW: _Cells(launcher, Lane.SLOW, slow, longest),
        }
        self.close = weakref.finalize(self, _close, launcher, list(self._lanes.values()))

    def start(self) -> None:
        """Start the server of the cells now, without waiting for it, so that no request has to."""
        self._launcher.start()

    def decode(self, upload: bytes, client_gone: Callable[[], bool], deadline: float | None = None) -> bytes:
        """Return the picture's pixels as `decoding.decode_image` does.

        Args:
            upload: the file's content.
            client_gone: tells whether the client has hung up; asked after the wait for a cell.
            deadline: when the request's time is over, in seconds of `time.monotonic`; by default it begins now.

        Raises:
            DeadlineExceeded: decoding did not start within half of the request's time, or did not end within all of it.
            ClientGone: the client has hung up.
            ServiceUnavailable: there is no process for it, or somebody else killed two in the middle of the picture.
            BadImage, ImageTooLarge, UnsupportedFormat: see there; also for a picture that exceeds what a cell may do.
        """
        deadline = deadline or time.monotonic() + self._request_timeout_s
        try:
            try:
                reply = self._decode_in(Lane.FAST, upload, client_gone, deadline)
            except CellDied as death:
                if death.end != CellEnd.TIME:
                    raise
                reply = Message(Kind.EXPENSIVE)
            if reply.kind == Kind.EXPENSIVE:
                reply = self._decode_in(Lane.SLOW, upload, client_gone, deadline)
        except CellDied as death:
            log("cell_died", level="warning", error=death)
            raise self._blame(death) from death
        return self._checked(reply)

    def _decode_in(self, lane: Lane, upload: bytes, client_gone: Callable[[], bool], deadline: float) -> Message:
        cells = self._lanes[lane]
        asked = time.monotonic()
        start_by = deadline - (1 - MAX_WAIT_SHARE) * self._request_timeout_s
        if asked >= start_by or not cells.semaphore.acquire(start_by - asked):
            max_wait_s = MAX_WAIT_SHARE * self._request_timeout_s
            raise DeadlineExceeded(f"The server is overloaded: decoding did not start within {max_wait_s:g} s.")
        started = time.monotonic()
        try:
            if client_gone():
                raise ClientGone("The client has closed the connection.")
            return self._decode_with(cells, lane, upload, deadline)
        finally:
            cells.semaphore.release()
            self._observer.decoded(lane, started - asked, time.monotonic() - started)

    def _decode_with(self, cells: "_Cells", lane: Lane, upload: bytes, deadline: float) -> Message:
        """Decode in a free cell; once more in a new one if somebody else has killed it, perhaps while it was idle."""
        try:
            return self._try(cells, lane, upload, deadline)
        except CellDied as death:
            if death.end != CellEnd.KILLED:
                raise
        return self._try(cells, lane, upload, deadline, in_new=True)

    def _try(self, cells: "_Cells", lane: Lane, upload: bytes, deadline: float, in_new: bool = False) -> Message:
        try:
            return cells.decode(upload, deadline, in_new)
        except TimeoutError as error:
            detail = f"The server is overloaded: decoding did not end within {self._request_timeout_s:g} s."
            raise DeadlineExceeded(detail) from error
        except CellDied as death:
            self._observer.cell_died(lane, death.end)
            raise

    def _blame(self, death: CellDied) -> ServiceError:
        if death.end == CellEnd.TIME:
            return ImageTooLarge(f"The picture takes more than {self._decode_timeout_s:g} s to decode.")
        if death.end == CellEnd.KILLED:
            return ServiceUnavailable("The processes that decoded the picture were killed; try again.", 1)
        return BadImage("The decoder crashed on this picture, which is damaged or made to do harm.")

    def _checked(self, reply: Message) -> bytes:
        """Return the pixels, or raise the error; trust nothing that a cell says."""
        kind, content, picture_pixels = reply
        if kind == Kind.PIXELS and len(content) == self._pixels_bytes:
            self._observer.picture_decoded(min(picture_pixels, self._max_picture_pixels))
            return bytes(content)
        detail = content[:MAX_DETAIL_BYTES].decode(errors="replace")
        raise _ERRORS[kind](detail) if kind in _ERRORS else BadImage("The picture cannot be decoded.")


class _Cells:
    """The cells of one lane; a thread may use one while it holds the semaphore."""

    def __init__(self, launcher: CellLauncher, lane: Lane, count: int, max_reply_bytes: int) -> None:
        self.semaphore = FairSemaphore(count)
        self._launcher = launcher
        self._lane = lane
        self._max_reply_bytes = max_reply_bytes
        self._idle: deque[tuple[int, socket.socket]] = deque()

    def decode(self, upload: bytes, deadline: float, in_new: bool) -> Message:
        """Let a cell decode, and return what it says.

        Args:
            upload: the file's content.
            deadline: when the cell must have answered, in seconds of `time.monotonic`.
            in_new: in a new cell, since idle ones may be dead.

        Raises:
            CellDied: it has ended.
            TimeoutError: it has not answered before the deadline, and was killed.
        """
        pid, connection = self._launcher.fork(self._lane) if in_new else self._free()
        try:
            send_message(connection, Message(Kind.UPLOAD, upload), deadline)
            reply = receive_message(connection, self._max_reply_bytes, deadline)
        except (ConnectionClosed, OSError, ValueError) as error:
            connection.close()
            status = self._launcher.reap(pid)
            if isinstance(error, TimeoutError):
                raise
            # One that sent nonsense was alive until it was reaped, so its status tells nothing.
            end = CellEnd.CRASH if isinstance(error, ValueError) else _ENDS.get(status, CellEnd.CRASH)
            raise CellDied(end, status) from error
        self._idle.append((pid, connection))
        return reply

    def _free(self) -> tuple[int, socket.socket]:
        with suppress(IndexError):  # none is idle; if asked for first, another thread could take it meanwhile
            return self._idle.pop()
        return self._launcher.fork(self._lane)

    def close(self) -> None:
        """Close the connections; a cell ends with its connection."""
        while self._idle:
            self._idle.pop()[1].close()


def _close(launcher: CellLauncher, lanes: list[_Cells]) -> None:
    launcher.close()
    for cells in lanes:
        cells.close()
