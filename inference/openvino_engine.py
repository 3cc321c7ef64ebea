"""A network on OpenVINO, for several threads at once: a batch that is alone gets all cores, several get a share each.

On two cores, a picture that has both of them is done in half the time, but two pictures with a core each need a seventh
less work together. One compiled network can only do one or the other, so there are two with the same weights.
"""

import mmap
import threading
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from helpers import ImageShape
from inference.engine import Pixels, Probabilities, fastest_s
from inference.networks import ModelError
from inference.openvino_export import import_openvino, openvino_core
from inference.precision import Precision

if TYPE_CHECKING:
    import openvino

# A network that is faster than this gains nothing from more cores.
SMALL_S = 0.005


class OpenvinoEngine:
    """Computes up to `concurrency` batches at once; safe to use from many threads.

    Args:
        file: the network in OpenVINO's format, with its weights beside it.
        shape: of a picture.
        precision: the numbers to compute in. For 8-bit integers the network itself says where, and the rest is float32.

    Raises:
        ModelError: OpenVINO does not compute in this precision here.
    """

    name = "openvino"

    def __init__(self, file: Path, shape: ImageShape, precision: Precision) -> None:
        self.shape = shape
        core = openvino_core()
        with file.with_suffix(".bin").open("rb") as weights_file:
            # Referenced here, since OpenVINO does not keep it alive.
            self._weights = weights = mmap.mmap(weights_file.fileno(), 0, flags=mmap.MAP_PRIVATE)
        model = core.read_model(file.read_bytes(), _tensor(weights))
        one = np.zeros((1, *shape), np.uint8)
        options = compile_options(precision)
        shared = core.compile_model(model, "CPU", options | {"PERFORMANCE_HINT": "THROUGHPUT"})
        _check_precision(shared, precision)
        self.concurrency = self.streams = int(shared.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(self.concurrency):
            self._requests.put(shared.create_infer_request())
        self._alone, self._compiled = None, [shared]
        if self.concurrency > 1 and fastest_s(partial(_infer, shared.create_infer_request()), one) > SMALL_S:
            alone = core.compile_model(model, "CPU", options | {"PERFORMANCE_HINT": "LATENCY"})
            self._alone = alone.create_infer_request()
            _infer(self._alone, one)
            self._compiled.append(alone)
        self._running = 0
        self._lock = threading.Lock()
        self.release_memory()

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

    def release_memory(self) -> None:
        """Give back what earlier batches needed, while none is computed; the next one takes what it needs."""
        for compiled in self._compiled:
            compiled.release_memory()
        # The compiled networks have copies of what they use often; the rest is paged in again when it is read.
        self._weights.madvise(mmap.MADV_DONTNEED)


def compile_options(precision: Precision) -> dict[str, object]:
    """Return OpenVINO's options for a precision; threads are not pinned to cores, which web servers and Redis share."""
    return {"INFERENCE_PRECISION_HINT": _hint(precision), "ENABLE_CPU_PINNING": False}


def _hint(precision: Precision) -> str:
    return "bf16" if precision == Precision.BFLOAT16 else "f32"


def _check_precision(compiled: "openvino.CompiledModel", precision: Precision) -> None:
    """Refuse what OpenVINO has compiled in another precision, since it ignores a hint that it cannot follow."""
    wanted = _hint(precision)
    actual = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if actual != wanted:
        raise ModelError(f"PRECISION={precision}: OpenVINO computes in {actual} here, not in {wanted}; use float32")


def _tensor(weights: mmap.mmap) -> "openvino.Tensor":
    return import_openvino().Tensor(np.frombuffer(weights, np.uint8), shared_memory=True)


def _infer(request: "openvino.InferRequest", pixels: Pixels) -> Probabilities:
    probabilities: Probabilities = request.infer(pixels, share_inputs=True)[0]
    return probabilities
