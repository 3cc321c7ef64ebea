"""The real server of decoding processes, around a decoder that does harm when an upload says so."""

import ctypes
import errno
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from PIL import Image

from benchmarks.colour_network import picture
from errors import BadImage
from pictures import cell, cell_server
from pictures.cell_messages import Kind, Message
from pictures.decoding import Upload, open_image
from pictures.limits import Limits

# A picture whose header and whose pixels take a while each.
SLOW_TWICE = picture("black", size=(2, 3))


def harmful(upload: Upload, limits: Limits) -> Image.Image:
    """Do what the upload says."""
    HARM.get(bytes(upload), lambda: None)()
    return open_image(upload, limits)


def _burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def _slow_twice() -> None:
    _burn(0.3)
    vars(cell)["fit_image"] = lambda _image, _options: _burn(0.3)


def _boast() -> None:
    """Send pixels of a larger picture than any that is accepted, whatever the answer was."""
    boast = Message(Kind.PIXELS, bytes(224 * 224 * 3), 2**40)
    vars(cell)["Message"] = lambda *_: boast


def _dribble() -> None:
    """Answer byte by byte, each of them in time."""

    def send(connection: socket.socket, _message: Message) -> NoReturn:
        while True:
            connection.sendall(b"\1")
            threading.Event().wait(0.3)

    vars(cell)["send_message"] = send


def _send_nonsense() -> None:
    """Answer with what is no message, and live on."""

    def send(connection: socket.socket, _message: Message) -> None:
        connection.sendall(b"\xff" * 64)
        threading.Event().wait()

    vars(cell)["send_message"] = send


def _tell(what: object) -> NoReturn:
    raise BadImage(str(what))


def _open_files() -> list[int]:
    # Without opening the folder that lists them, which a cell cannot.
    return [number for number in range(256) if _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.read(number, 0)
    except OSError:
        return False
    return True


def _try_what_is_forbidden() -> None:
    escapes: tuple[Callable[[], object], ...] = (
        socket.socket,
        lambda: os.open("/etc/hostname", os.O_RDONLY),
        lambda: os.kill(os.getppid(), 0),
        lambda: os.execv(sys.executable, ["python"]),  # noqa: S606
        os.fork,
    )
    _tell(f"refused {[_refusal(escape) for escape in escapes]}")


def _refusal(action: Callable[[], object]) -> str:
    try:
        return str(action())
    except OSError as error:
        return errno.errorcode[error.errno or 0]


HARM: dict[bytes, Callable[[], object]] = {
    b"crash": lambda: ctypes.string_at(0),
    b"loop": lambda: _burn(math.inf),
    b"slow": lambda: _burn(0.2),
    b"exit": lambda: os._exit(3),
    b"allocate": lambda: bytearray(8 * 2**30),
    b"wait": lambda: threading.Event().wait(),
    b"dribble": _dribble,
    b"environment": lambda: _tell(f"environment {dict(os.environ)}"),
    b"files": lambda: _tell(f"files {_open_files()}"),
    b"open a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
    b"escape": _try_what_is_forbidden,
    b"start a thread": lambda: threading.Thread(target=_burn, args=[0.001]).start(),
    SLOW_TWICE: _slow_twice,
    b"boast": _boast,
    b"nonsense": _send_nonsense,
    b"lie": lambda: cell._ERRORS.clear(),
}

if __name__ == "__main__":
    vars(cell)["open_image"] = harmful
    cell_server.main()
