"""The network at work: load it into an engine, warm it up, predict a batch, name the top classes."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from inference.engine import Engine, Probabilities, fastest_s
from inference.graph import cache_name
from inference.model_cache import ModelCache
from inference.networks import ModelError, Network, resolve_network
from inference.openvino_engine import OpenvinoEngine
from inference.openvino_export import ensure_exported
from inference.quantization import ensure_quantized
from inference.tensorflow_engine import TensorflowEngine, import_tensorflow
from jobs.protocol import Prediction
from logger import log
from settings import Settings

TOP_CLASSES = 5
LARGEST_BATCH = 32
# The smallest batch within this share of the best throughput is taken: a larger one only adds latency.
GOOD_ENOUGH = 0.95
# On a CPU a batch is no faster than its pictures one by one, computed at the same time, and its results come later.
OPENVINO_BATCH = 1


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A network that is loaded and warm.

    Attributes:
        model: its name.
        note: what users should know about the choice of the network.
        fingerprint: equal for classifiers that give the same results, whichever engine computes them.
        labels: the names of the classes, in the order of the outputs.
        batch_size: the most pictures that `predict` should get at once.
        engine: what computes it.
    """

    model: str
    note: str
    fingerprint: str
    labels: Sequence[str]
    batch_size: int
    engine: Engine

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        """Classify a batch.

        Args:
            images: each height x width x channels uint8 pixels in C order.

        Returns:
            for each picture its most likely classes, the best first.
        """
        pixels = np.frombuffer(b"".join(images), np.uint8).reshape(len(images), *self.engine.shape)
        return [self._top(probabilities) for probabilities in self.engine(pixels)]

    def _top(self, probabilities: Probabilities) -> tuple[Prediction, ...]:
        best = np.argsort(probabilities)[::-1][:TOP_CLASSES]
        return tuple(Prediction(self.labels[index], float(probabilities[index])) for index in best)


def load_classifier(settings: Settings) -> Classifier:
    """Load what MODEL and ENGINE name and warm it up.

    Raises:
        ModelError: the network cannot be had, or does not fit the settings.
    """
    network = resolve_network(settings)
    engine_name = _choose_engine(settings)
    log("model_loading", model=network.name, engine=engine_name)
    started = time.monotonic()
    network, graph, engine = _load(network, engine_name, settings)
    classes = engine(np.zeros((1, *engine.shape), np.uint8)).shape[1]
    labels = _labels(network, classes)
    wanted = OPENVINO_BATCH if engine.name == "openvino" and settings.batch_size == "auto" else settings.batch_size
    size = _warm_up(engine, wanted)
    log("model_ready", model=network.name, engine=engine.name, batch_size=size, seconds=time.monotonic() - started)
    return Classifier(
        model=network.name,
        note=network.note,
        fingerprint=_results_fingerprint(graph, labels),
        labels=labels,
        batch_size=size,
        engine=engine,
    )


def _load(network: Network, engine_name: str, settings: Settings) -> tuple[Network, str, Engine]:
    """Return the network as it is computed, the name of its graph, and the engine."""
    if engine_name == "tensorflow":
        return network, cache_name(network, settings), TensorflowEngine(network, settings)
    with ModelCache(settings) as cache:
        if settings.precision == "int8":
            network, file = ensure_quantized(network, settings, cache)
        else:
            file = ensure_exported(network, settings, cache)
        # The folder's name identifies the graph, and for 8-bit integers also how they were chosen.
        return network, file.parent.name, OpenvinoEngine(file, settings.image_shape)


def _results_fingerprint(graph: str, labels: Sequence[str]) -> str:
    """Return a hash of all that decides a picture's result: the graph, and the names of its classes."""
    return hashlib.sha256(json.dumps([graph, *labels]).encode()).hexdigest()[:16]


def _labels(network: Network, classes: int) -> list[str]:
    labels = network.labels() if network.labels else [f"class_{index}" for index in range(classes)]
    if len(labels) != classes:
        raise ModelError(f"the network has {classes} classes, but there are {len(labels)} labels")
    return labels


def _choose_engine(settings: Settings) -> str:
    if settings.precision == "int8":
        if settings.engine == "tensorflow":
            raise ModelError("PRECISION=int8 is for OpenVINO: use ENGINE=openvino or auto, or PRECISION=float32")
        return "openvino"
    if settings.engine != "auto":
        return settings.engine
    return "tensorflow" if _has_gpu() else "openvino"


def _has_gpu() -> bool:
    """Ask TensorFlow, but only where a driver's device file justifies the seconds of its import."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), Path("/dev/kfd"), Path("/dev/dxg")]
    if not any(device.exists() for device in devices):
        return False
    return bool(import_tensorflow().config.list_physical_devices("GPU"))


def _warm_up(engine: Engine, wanted: int | Literal["auto"]) -> int:
    """Run the engine until it is at full speed, and return the batch size to use."""
    if wanted == "auto":
        return _best_batch_size(engine)
    _throughput(engine, wanted)
    return wanted


def _best_batch_size(engine: Engine) -> int:
    """Double the batch as long as that pays, and return the smallest size that is nearly as fast as the best."""
    speeds: dict[int, float] = {}
    size = 1
    while size <= LARGEST_BATCH:
        speeds[size] = _throughput(engine, size)
        log("batch_size_tried", level="debug", size=size, images_per_s=speeds[size])
        if size > 1 and speeds[size] < speeds[size // 2] / GOOD_ENOUGH:
            break
        size *= 2
    best = max(speeds.values())
    return min(size for size, speed in speeds.items() if speed >= GOOD_ENOUGH * best)


def _throughput(engine: Engine, size: int) -> float:
    """Return the pictures per second in batches of one size."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, *engine.shape), np.uint8)
    return size / fastest_s(engine, pixels)
