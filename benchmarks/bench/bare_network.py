"""Runs the bare script as a process that computes only during a round."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from project import PROJECT_DIR


class BareNetwork:
    """The process of the bare script; to be used with `with`.

    Args:
        network: the OpenVINO file.
        streams: the number of pictures computed at once.
        precision: "float32", or "default" for what OpenVINO takes by itself.
    """

    def __init__(self, network: Path, streams: int, precision: str = "float32") -> None:
        self._command = [sys.executable, "benchmarks/bench/bare_script.py", str(network), str(streams), precision]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def measure(self, seconds: float) -> dict[str, float]:
        """Compute for some seconds; return `images_per_s` and `latency_ms`."""
        print(seconds, file=self._process.stdin, flush=True)
        measured: dict[str, float] = json.loads(self._read())
        return measured

    def _read(self) -> str:
        return cast(IO[str], self._process.stdout).readline()
