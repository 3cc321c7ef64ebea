"""A network in OpenVINO's format: exported once and kept in the cache."""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from inference.engine import Pixels, Probabilities, Run
from inference.export_check import check_export
from inference.graph import cache_name, check_unchanged
from inference.model_cache import ModelCache
from inference.networks import Network, one_line_errors
from inference.tensorflow_engine import PROCESSOR, import_tensorflow, run_function, save_frozen_graph, trace
from logger import log
from settings import Settings

if TYPE_CHECKING:
    import openvino

MODEL_FILE = "model.xml"


def import_openvino() -> ModuleType:
    """Return the module, kept from reporting to a statistics server over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    module: ModuleType = openvino
    return module


def openvino_core() -> "openvino.Core":
    """Return what reads and compiles models."""
    return import_openvino().Core()


def ensure_exported(network: Network, settings: Settings, cache: ModelCache) -> Path:
    """Return OpenVINO's copy of the network, after making it if the cache does not have it.

    Raises:
        ModelError: the network cannot be loaded or written, has changed meanwhile, does not fit the settings, or
            OpenVINO does not compute it as TensorFlow does.
    """
    name = cache_name(network, settings)

    def make(folder: Path) -> None:
        log("model_exporting", path=folder)
        with import_tensorflow().device(PROCESSOR):
            function = trace(network, settings)
        check_unchanged(network, settings, name)
        with one_line_errors("OpenVINO cannot compute this network, use ENGINE=tensorflow"):
            model = _convert(function, folder / "graph.pb")
            check_export(partial(run_function, function), _compile(model), settings.image_shape, _formats(model))
        save_model(model, folder)

    return cache.get(name, make) / MODEL_FILE


def _convert(function: Any, graph: Path) -> "openvino.Model":
    """Convert a TensorFlow function, and simplify it; reading it without that cost 90 MB of a worker's memory.

    By way of a file: OpenVINO's conversion of models in memory fails on Python 3.13 (PEP 667).
    """
    save_frozen_graph(function, graph)
    model = import_openvino().convert_model(graph)
    graph.unlink()
    return model


def _compile(model: "openvino.Model") -> Run:
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pixels: Pixels) -> Probabilities:
        probabilities: Probabilities = compiled(pixels)[0]
        return probabilities

    return run


def _formats(model: "openvino.Model") -> set[str]:
    """Return the formats of all numbers in the model, such as f32."""
    return {output.get_element_type().get_type_name() for node in model.get_ops() for output in node.outputs()}


def save_model(model: "openvino.Model", folder: Path) -> None:
    """Write a model into a folder without compressing its weights.

    Raises:
        OSError: it cannot be written.
    """
    try:
        import_openvino().save_model(model, folder / MODEL_FILE, compress_to_fp16=False)
    except RuntimeError as error:  # of the C++ library, with a whole stack in its message
        raise OSError(f"OpenVINO cannot write to {folder}, is the disk full?") from error
