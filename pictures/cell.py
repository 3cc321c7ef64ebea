"""A decoding process, or cell: it takes one picture at a time, and can do nothing else.

It has no secrets, no files and no connection but its socket, and limits on memory and processor time. A picture that
crashes it or exceeds a limit costs this process, and nothing more.
"""

import signal
import socket
from typing import NamedTuple

from errors import BadImage, ImageTooLarge, ServiceError, UnsupportedFormat
from pictures.cell_messages import ConnectionClosed, Kind, Message, receive_message, send_message
from pictures.confinement import Confinement
from pictures.decoding import DecodingOptions, Upload, fit_image, open_image
from pictures.limits import cost

_ERRORS: dict[type[ServiceError], Kind] = {
    BadImage: Kind.BAD_IMAGE,
    ImageTooLarge: Kind.IMAGE_TOO_LARGE,
    UnsupportedFormat: Kind.UNSUPPORTED_FORMAT,
}


class CellLimits(NamedTuple):
    """What one picture may cost in a cell.

    Attributes:
        max_upload_bytes: of a picture.
        max_cost: in pixels, see `limits.cost`; a more expensive picture is handed back.
        header_s: processor time for reading the header, in seconds; no more than for all.
        total_s: processor time for all of it, in seconds.
        memory_bytes: address space on top of what the process has when it starts.
        niceness: added to the process's own.
    """

    max_upload_bytes: int
    max_cost: int
    header_s: float
    total_s: float
    memory_bytes: int
    niceness: int


def run_cell(connection: socket.socket, options: DecodingOptions, limits: CellLimits, confinement: Confinement) -> None:
    """Give up everything that decoding does not need, then decode pictures until the socket is closed."""
    confinement.confine(connection.fileno(), limits.memory_bytes, limits.niceness)
    try:
        while True:
            upload = receive_message(connection, limits.max_upload_bytes).content
            reply = _decode(upload, options, limits)
            _limit_time(0)
            send_message(connection, reply)
    except (ConnectionClosed, OSError):
        return


def _limit_time(seconds: float) -> float:
    """Have the kernel end this process after so much processor time, whatever code it is in; 0 for no limit.

    Returns:
        what was left of the limit before, in seconds.
    """
    left_s, _interval_s = signal.setitimer(signal.ITIMER_PROF, seconds)
    return left_s


def _decode(upload: Upload, options: DecodingOptions, limits: CellLimits) -> Message:
    try:
        _limit_time(limits.header_s)
        image = open_image(upload, options.limits)
        if cost(image) > limits.max_cost:
            return Message(Kind.EXPENSIVE)
        taken_s = limits.header_s - _limit_time(0)
        _limit_time(limits.total_s - taken_s)
        picture_pixels = image.width * image.height  # before it is scaled
        return Message(Kind.PIXELS, fit_image(image, options), picture_pixels)
    except MemoryError:
        return Message(Kind.IMAGE_TOO_LARGE, b"The picture needs too much memory to decode.")
    except ServiceError as error:
        return Message(_ERRORS[type(error)], error.detail.encode(errors="replace"))
