"""A network on OpenVINO, for several threads at once: a batch that is alone gets all cores, else each gets its share.

On two cores, a picture that has both of them is through in half the time, but two pictures with a core each need a
seventh less work together. One compiled network can only do one or the other; so there are two of the same weights.
"""

import mmap
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from openvino_export import import_openvino

# Full precision is asked for, since OpenVINO would take bfloat16 where the processor has it. Its threads are not tied
# to cores, which they share with web servers and Redis.
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
# A network that is through sooner than this gains nothing from more cores.
SMALL_S = 0.005
TIMED_RUNS = 3

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Engine = Callable[[Pixels], Probabilities]


class OpenvinoEngine:
    """Runs batches, up to `lanes` of them at once; safe to use from many threads.

    Args:
        file: the network in OpenVINO's format, with its weights beside it.
        shape: height, width and channels of a picture.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int]) -> None:
        core = import_openvino().Core()
        with file.with_suffix(".bin").open("rb") as weights_file:
            # Kept, since OpenVINO does not keep it.
            self._weights = weights = mmap.mmap(weights_file.fileno(), 0, flags=mmap.MAP_PRIVATE)
        model = core.read_model(file.read_bytes(), _tensor(weights))
        one = np.zeros((1, *shape), np.uint8)
        shared = core.compile_model(model, "CPU", OPTIONS | {"PERFORMANCE_HINT": "THROUGHPUT"})
        self.lanes = int(shared.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.lanes):
            self._requests.put(shared.create_infer_request())
        self._alone = None
        if self.lanes > 1 and fastest_s(partial(_infer, shared.create_infer_request()), one) > SMALL_S:
            alone = core.compile_model(model, "CPU", OPTIONS | {"PERFORMANCE_HINT": "LATENCY"})
            self._alone = alone.create_infer_request()
            _infer(self._alone, one)
        self._running = 0
        self._lock = threading.Lock()
        # The compiled networks have their own copy of what they use much; what they still read here is loaded again.
        weights.madvise(mmap.MADV_DONTNEED)

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities (n, classes) of the pictures in pixels (n, height, width, channels)."""
        with self._lock:
            alone = self._alone if self._running == 0 else None
            self._running += 1
        try:
            if alone:
                return _infer(alone, pixels)
            request = self._requests.get()
            try:
                return _infer(request, pixels)
            finally:
                self._requests.put(request)
        finally:
            with self._lock:
                self._running -= 1


def _tensor(weights: mmap.mmap) -> Any:
    return import_openvino().Tensor(np.frombuffer(weights, np.uint8), shared_memory=True)


def _infer(request: Any, pixels: Pixels) -> Probabilities:
    probabilities: Probabilities = request.infer(pixels, share_inputs=True)[0]
    return probabilities


def fastest_s(run: Engine, pixels: Pixels) -> float:
    """Return how long a batch takes, in seconds: the fastest of a few runs after a first one."""
    run(pixels)
    seconds = []
    for _ in range(TIMED_RUNS):
        started = time.perf_counter()
        run(pixels)
        seconds.append(time.perf_counter() - started)
    return min(seconds)
