"""The network at work: load it into an engine, warm it up, predict a batch, name the top classes."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from inference.agreement import log_agreement
from inference.engine import Engine, Probabilities
from inference.graph import cache_name, check_unchanged
from inference.hardware import gpu_compute_capability, has_gpu, processor_capabilities
from inference.model_cache import ModelCache
from inference.networks import ModelError, Network, resolve_network
from inference.openvino_engine import OpenvinoEngine
from inference.openvino_export import ensure_exported
from inference.output_check import check_outputs
from inference.precision import OPENVINO_ONLY, Precision, openvino_precision, tensorflow_precision
from inference.quantization import ensure_quantized
from inference.tensorflow_engine import TensorflowEngine, float32_on_processor
from inference.warm_up import warm_up
from jobs.protocol import Prediction
from logger import log
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A network that is loaded and warm.

    Attributes:
        model: its name.
        precision: the numbers in which it is computed.
        note: what users should know about the choice of the network.
        fingerprint: equal for classifiers that give the same results, whichever engine computes them.
        labels: the names of the classes, in the order of the outputs.
        top_classes: how many of them `predict` returns.
        batch_size: the most pictures that `predict` should get at once.
        engine: what computes it.
    """

    model: str
    precision: Precision
    note: str
    fingerprint: str
    labels: Sequence[str]
    top_classes: int
    batch_size: int
    engine: Engine

    def predict(self, images: Sequence[bytes]) -> list[tuple[Prediction, ...]]:
        """Classify a batch.

        Args:
            images: each height x width x channels uint8 pixels in C order.

        Returns:
            for each picture its most likely classes, the best first.

        Raises:
            FloatingPointError: the network has no answer to one of them.
        """
        pixels = np.frombuffer(b"".join(images), np.uint8).reshape(len(images), *self.engine.shape)
        outputs = self.engine(pixels)
        if not np.isfinite(outputs).all():  # which no client could read
            raise FloatingPointError("the network's outputs are not finite numbers")
        return [self._top(probabilities) for probabilities in outputs]

    def _top(self, probabilities: Probabilities) -> tuple[Prediction, ...]:
        best = np.argsort(probabilities)[::-1][: self.top_classes]
        return tuple(Prediction(self.labels[index], float(probabilities[index]), int(index)) for index in best)


def load_classifier(settings: Settings) -> Classifier:
    """Load what MODEL, ENGINE and PRECISION name and warm it up.

    Raises:
        ModelError: the network cannot be had, or not in that precision, or does not fit the settings.
    """
    engine_name = _choose_engine(settings)
    precision = _choose_precision(engine_name, settings)
    network = resolve_network(settings)
    log("model_loading", model=network.name, engine=engine_name, precision=precision)
    started = time.monotonic()
    network, graph, engine = _load(network, engine_name, precision, settings)
    labels = _labels(network, _count_classes(network, engine))
    top_classes = len(labels) if settings.top_classes == "all" else min(settings.top_classes, len(labels))
    size = warm_up(engine, settings.batch_size)
    log(
        "model_ready",
        model=network.name,
        engine=engine.name,
        precision=precision,
        batch_size=size,
        seconds=time.monotonic() - started,
    )
    return Classifier(
        model=network.name,
        precision=precision,
        note=network.note,
        fingerprint=_results_fingerprint(graph, precision, top_classes, labels),
        labels=labels,
        top_classes=top_classes,
        batch_size=size,
        engine=engine,
    )


def _load(network: Network, engine_name: str, precision: Precision, settings: Settings) -> tuple[Network, str, Engine]:
    """Return the network with its final note, the name of its graph, and the engine."""
    with ModelCache(settings) as cache:
        if engine_name == "tensorflow":
            return network, *_load_in_tensorflow(network, precision, settings, cache)
        if precision == Precision.INT8:
            network, file = ensure_quantized(network, settings, cache)
        else:
            file = ensure_exported(network, settings, cache)
        # The folder's name identifies the graph, and for 8-bit integers also how they were chosen.
        graph, shape = file.parent.name, settings.image_shape
        engine = OpenvinoEngine(file, shape, precision)
        if precision == Precision.BFLOAT16:
            log_agreement(
                graph, precision, shape, cache, lambda: OpenvinoEngine(file, shape, Precision.FLOAT32), engine
            )
        return network, graph, engine


def _load_in_tensorflow(
    network: Network, precision: Precision, settings: Settings, cache: ModelCache
) -> tuple[str, Engine]:
    graph = cache_name(network, settings)
    engine = TensorflowEngine(network, settings, precision)
    check_unchanged(network, settings, graph)
    if precision == Precision.TF32:
        exact = partial(float32_on_processor, network, settings)
        log_agreement(graph, precision, settings.image_shape, cache, exact, engine)
    return graph, engine


def _results_fingerprint(graph: str, precision: Precision, top_classes: int, labels: Sequence[str]) -> str:
    """Return a hash of all that decides a picture's result: graph, precision, and which classes are named how."""
    return hashlib.sha256(json.dumps([graph, precision, top_classes, *labels]).encode()).hexdigest()[:16]


def _count_classes(network: Network, engine: Engine) -> int:
    if network.own:
        return check_outputs(network, engine)
    outputs = engine(np.zeros((1, *engine.shape), np.uint8))
    return len(outputs[0])


def _labels(network: Network, classes: int) -> list[str]:
    labels = network.labels() if network.labels else [f"class_{index}" for index in range(classes)]
    if len(labels) != classes:
        raise ModelError(f"LABELS has {len(labels)} classes, but the network has {classes}")
    return labels


def _choose_engine(settings: Settings) -> str:
    if settings.precision in OPENVINO_ONLY:
        if settings.engine == "tensorflow":
            precision = f"PRECISION={settings.precision}"
            raise ModelError(f"{precision} is for OpenVINO: use ENGINE=openvino or auto, or PRECISION=float32")
        return "openvino"
    if settings.engine != "auto":
        return settings.engine
    return "tensorflow" if has_gpu() else "openvino"


def _choose_precision(engine_name: str, settings: Settings) -> Precision:
    if engine_name == "tensorflow":
        return tensorflow_precision(settings.precision, gpu_compute_capability())
    return openvino_precision(settings.precision, processor_capabilities())
