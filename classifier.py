"""The network at work: load it into an engine, warm it up, predict a batch, name the top classes."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from job_protocol import Prediction
from logger import log
from networks import ModelError, Network, cache_name, find_network
from openvino_engine import Engine, OpenvinoEngine, Probabilities, fastest_s
from openvino_export import exported
from quantization import quantized
from settings import Settings
from tensorflow_graph import import_tensorflow, trace

TOP_CLASSES = 5
LARGEST_BATCH = 32
# The smallest batch within this share of the best throughput is taken: a larger one only adds latency.
GOOD_ENOUGH = 0.95
# On a CPU a batch is no faster than its pictures one by one, in a lane each, and its answers come later.
OPENVINO_BATCH = 1
# While TensorFlow computes one batch, the next one is decoded.
TENSORFLOW_LANES = 2


@dataclass(frozen=True)
class Classifier:
    """A network that is loaded and warm.

    Attributes:
        model: its name.
        engine: what computes it, `tensorflow` or `openvino`.
        batch_size: the most pictures that `predict` should be given at once.
        lanes: how many batches may be predicted at once, each by a thread of its own.
        note: what the user should know about the choice of the network.
        fingerprint: equal for classifiers that give the same answers, whichever engine computes them.
    """

    model: str
    engine: str
    batch_size: int
    lanes: int
    note: str
    fingerprint: str
    _run: Engine
    _names: Sequence[str]
    _shape: tuple[int, int, int]

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        """Classify a batch.

        Args:
            images: each height x width x channels uint8 pixels in C order.

        Returns:
            for each picture its likeliest classes, the likeliest first.
        """
        pixels = np.frombuffer(b"".join(images), np.uint8).reshape(len(images), *self._shape)
        return [self._top(probabilities) for probabilities in self._run(pixels)]

    def _top(self, probabilities: Probabilities) -> tuple[Prediction, ...]:
        best = np.argsort(probabilities)[::-1][:TOP_CLASSES]
        return tuple(Prediction(self._names[index], float(probabilities[index])) for index in best)


def load_classifier(settings: Settings) -> Classifier:
    """Load what MODEL and ENGINE name and warm it up.

    Raises:
        ModelError: the network cannot be had, or does not fit the settings.
    """
    network = find_network(settings)
    engine = _choose_engine(settings)
    log("model_loading", model=network.name, engine=engine)
    started = time.monotonic()
    shape = (settings.image_height, settings.image_width, settings.image_chans)
    run: Engine
    if engine == "tensorflow":
        run, lanes = _tensorflow_engine(network, settings), TENSORFLOW_LANES
        made = cache_name(network, settings)
    else:
        if settings.precision == "int8":
            network, file = quantized(network, settings)
        else:
            file = exported(network, settings)
        run = openvino = OpenvinoEngine(file, shape)
        made = file.parent.name  # which tells the same, and of 8-bit integers how they came about
        lanes = openvino.lanes
    classes = run(np.zeros((1, *shape), np.uint8)).shape[1]
    names = _class_names(network, classes)
    wanted = OPENVINO_BATCH if engine == "openvino" and settings.batch_size == "auto" else settings.batch_size
    size = _warm_up(run, shape, wanted)
    log("model_ready", model=network.name, engine=engine, batch_size=size, seconds=time.monotonic() - started)
    alike = _answers_fingerprint(made, names)
    return Classifier(network.name, engine, size, lanes, network.note, alike, run, names, shape)


def _answers_fingerprint(made: str, names: Sequence[str]) -> str:
    """Return a hash of all that decides what is answered to a picture: the graph, and what its classes are called."""
    return hashlib.sha256(json.dumps([made, *names]).encode()).hexdigest()[:16]


def _class_names(network: Network, classes: int) -> list[str]:
    names = network.names() if network.names else [f"class_{index}" for index in range(classes)]
    if len(names) != classes:
        raise ModelError(f"the network has {classes} classes, but there are {len(names)} labels")
    return names


def _choose_engine(settings: Settings) -> str:
    if settings.precision == "int8":
        if settings.engine == "tensorflow":
            raise ModelError("PRECISION=int8 is for OpenVINO: use ENGINE=openvino or auto, or PRECISION=float32")
        return "openvino"
    if settings.engine != "auto":
        return settings.engine
    return "tensorflow" if _has_gpu() else "openvino"


def _has_gpu() -> bool:
    """Ask TensorFlow, but only where a driver's device file says that it is worth the seconds of its import."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), Path("/dev/kfd"), Path("/dev/dxg")]
    if not any(device.exists() for device in devices):
        return False
    return bool(import_tensorflow().config.list_physical_devices("GPU"))


def _tensorflow_engine(network: Network, settings: Settings) -> Engine:
    function = trace(network, settings)
    tensorflow = import_tensorflow()
    return lambda pixels: function(tensorflow.constant(pixels)).numpy()


def _warm_up(run: Engine, shape: tuple[int, int, int], wanted: int | Literal["auto"]) -> int:
    """Run the engine until it is at its full speed, and return the batch size to use."""
    if wanted == "auto":
        return _best_batch_size(run, shape)
    _throughput(run, shape, wanted)
    return wanted


def _best_batch_size(run: Engine, shape: tuple[int, int, int]) -> int:
    """Double the batch as long as that pays, and return the smallest size that is nearly as fast as the best."""
    speeds: dict[int, float] = {}
    size = 1
    while size <= LARGEST_BATCH:
        speeds[size] = _throughput(run, shape, size)
        log("batch_size_tried", level="debug", size=size, images_per_s=speeds[size])
        if size > 1 and speeds[size] < speeds[size // 2] / GOOD_ENOUGH:
            break
        size *= 2
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= GOOD_ENOUGH * best)


def _throughput(run: Engine, shape: tuple[int, int, int], size: int) -> float:
    """Return the pictures a second in batches of one size."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, *shape), np.uint8)
    return size / fastest_s(run, pixels)
