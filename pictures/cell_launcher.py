"""The web server's side of `cell_server`: it starts that program, and has it fork and reap cells."""

import json
import signal
import socket
import subprocess
import sys
import threading

from errors import ServiceUnavailable
from pictures.cell import CellLimits
from pictures.cell_messages import NO_PROCESS
from pictures.decoding import DecodingOptions
from pictures.observers import Lane
from project import PROJECT_DIR

SERVER_MODULE = "pictures.cell_server"
MAX_REPLY_BYTES = 64
# The first reply takes as long as the program needs to start, which may be seconds on a busy machine.
REPLY_TIMEOUT_S = 30


class CellLauncher:
    """Starts `cell_server` when it is first needed, and again when it has died; safe to use from many threads.

    Args:
        options: for all cells.
        lanes: what a picture may cost, by lane.
        module: the program, which a test may replace.
    """

    def __init__(self, options: DecodingOptions, lanes: dict[Lane, CellLimits], module: str = SERVER_MODULE) -> None:
        self._configuration = json.dumps({"options": options, "lanes": lanes})
        self._module = module
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, without waiting until it can fork."""
        with self._lock:
            if self._control is None:
                self._start()

    def fork(self, lane: Lane) -> tuple[int, socket.socket]:
        """Return a new cell: its process id, and our end of its socket.

        Raises:
            ServiceUnavailable: the system has no more processes, or the server does not start.
            OSError: this process has no more files.
        """
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                pid = self._ask_twice(f"fork {lane}", theirs)
            except (OSError, ValueError):
                pid = NO_PROCESS
        if pid == NO_PROCESS:
            ours.close()
            raise ServiceUnavailable("The server has no process that could decode the picture; try again.", 1)
        return pid, ours

    def reap(self, pid: int) -> int:
        """End a cell and return its exit status, as `subprocess` has it; a cell of a server that died was killed."""
        with self._lock:
            try:
                return self._ask(f"reap {pid}", [])
            except (OSError, ValueError):
                return -signal.SIGKILL

    def close(self) -> None:
        """End the server, and all cells with it."""
        with self._lock:
            self._stop()

    def _ask_twice(self, request: str, file: socket.socket) -> int:
        try:
            return self._ask(request, [file.fileno()])
        except (OSError, ValueError):  # the server has died, so another one is started
            return self._ask(request, [file.fileno()])

    def _ask(self, request: str, files: list[int]) -> int:
        control = self._control or self._start()
        try:
            socket.send_fds(control, [request.encode()], files)
            return int(control.recv(MAX_REPLY_BYTES))
        except (OSError, ValueError):
            self._stop()
            raise

    def _start(self) -> socket.socket:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(REPLY_TIMEOUT_S)
        command = [sys.executable, "-m", self._module, str(theirs.fileno()), self._configuration]
        with theirs:
            # Nothing is inherited: no variable of the environment, and no file but the socket.
            self._process = subprocess.Popen(
                command,
                cwd=PROJECT_DIR,
                env={},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self._control

    def _stop(self) -> None:
        if self._control:
            self._control.close()
            self._control = None
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
