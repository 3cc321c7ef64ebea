"""Loads an exported OpenVINO network, and computes batches with it; the same for all peers."""

import sys
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Network:
    """A compiled network. Any number of threads may compute at the same time; each waits for a free stream."""

    def __init__(self, path: Path, precision: str = "default", streams: int = 1, threads: int = 1) -> None:
        """Load and compile.

        Args:
            path: of the .xml; the .bin lies beside it.
            precision: "float32", or "default" for what OpenVINO takes on this processor.
            streams: how many batches are computed at the same time.
            threads: of all streams together.
        """
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # OpenVINO asks whether it can be imported
        import openvino

        options: dict[str, Any] = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            # Otherwise the threads of two processes are pinned to the same core.
            "ENABLE_CPU_PINNING": False,
        }
        if precision == "float32":
            options["INFERENCE_PRECISION_HINT"] = "f32"
        compiled = openvino.Core().compile_model(path, "CPU", options)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def compute(self, pixels: Array) -> Array:
        """Return the probabilities of n pictures, (n, classes), for their uint8 pixels, (n, 224, 224, 3)."""
        request = self._idle.get()
        try:
            return np.array(request.infer(pixels, share_inputs=True)[0])
        finally:
            self._idle.put(request)
