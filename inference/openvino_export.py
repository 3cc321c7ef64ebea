"""A network in OpenVINO's format: exported once and kept in the cache."""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from inference.graph import cache_name
from inference.model_cache import ModelCache
from inference.networks import Network
from inference.tensorflow_engine import save_frozen_graph
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
        ModelError: the network cannot be loaded or written, or does not fit the settings.
    """

    def make(folder: Path) -> None:
        log("model_exporting", path=folder)
        # By way of a file: OpenVINO's conversion of models in memory fails on Python 3.13 (PEP 667).
        graph = folder / "graph.pb"
        save_frozen_graph(network, settings, graph)
        model = _convert(graph)
        save_model(model, folder)
        graph.unlink()

    return cache.get(cache_name(network, settings), make) / MODEL_FILE


def _convert(graph: Path) -> "openvino.Model":
    """Convert a TensorFlow graph, and simplify it; reading it without that cost 90 MB of a worker's memory."""
    return import_openvino().convert_model(graph)


def save_model(model: "openvino.Model", folder: Path) -> None:
    """Write a model into a folder without compressing its weights.

    Raises:
        OSError: it cannot be written.
    """
    try:
        import_openvino().save_model(model, folder / MODEL_FILE, compress_to_fp16=False)
    except RuntimeError as error:  # of the C++ library, with a whole stack in its message
        raise OSError(f"OpenVINO cannot write to {folder}, is the disk full?") from error
