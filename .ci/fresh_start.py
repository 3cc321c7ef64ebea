"""Starts the service with one Python as a newcomer would: a fresh clone, an empty home, `make run` to the five lines.

    python3 .ci/fresh_start.py python3.13

It needs nothing but the standard library.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1]
TIMEOUT_S = 900
STOP_TIMEOUT_S = 60
READY = "The service is ready"
FIVE_LINES = re.compile(r"1\. castle: 0\.\d{4}\n(?:[2-5]\. \w+: 0\.\d{4}\n){4}")


def main() -> None:
    """Clone, start, show what a newcomer sees last, stop; the exit code is 1 when that was not the five lines."""
    with tempfile.TemporaryDirectory() as folder:
        clone, log = Path(folder) / "clone", Path(folder) / "log"
        subprocess.run(["git", "clone", "--quiet", PROJECT_DIR, clone], check=True)
        environment = os.environ | {"HOME": folder, "PORT": str(_free_port())}
        command = ["make", f"PYTHON={sys.argv[1]}", "run"]
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=clone, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            _wait_until_ready(process, log)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(STOP_TIMEOUT_S)
        text = log.read_text()
        shown = FIVE_LINES.search(text)
        if not shown:
            sys.exit(f"{text[-5000:]}\n{sys.argv[1]}: no castle")
        print(f"{shown[0]}after {time.monotonic() - started:.0f} s, the download included")


def _wait_until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + TIMEOUT_S
    while READY not in log.read_text() and process.poll() is None and time.monotonic() < end:
        threading.Event().wait(0.25)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
