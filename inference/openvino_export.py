"""A network in OpenVINO's format: exported once and kept in MODEL_CACHE_DIR."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from inference.graph import cache_name
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


def ensure_exported(network: Network, settings: Settings) -> Path:
    """Return OpenVINO's copy of the network, after making it if the cache does not have it.

    Raises:
        ModelError: the network cannot be loaded, or does not fit the settings.
    """
    folder = settings.model_cache_dir.expanduser() / cache_name(network, settings)
    if not folder.exists():
        log("model_exporting", path=folder)
        with new_folder(folder) as scratch:
            # By way of a file: OpenVINO's conversion of models in memory fails on Python 3.13 (PEP 667).
            graph = scratch.with_name("graph.pb")
            save_frozen_graph(network, settings, graph)
            save_model(_convert(graph), scratch)
    return folder / MODEL_FILE


def _convert(graph: Path) -> "openvino.Model":
    """Convert a TensorFlow graph, and simplify it; reading it without that cost 90 MB of a worker's memory."""
    return import_openvino().convert_model(graph)


def save_model(model: "openvino.Model", folder: Path) -> None:
    """Write a model into a folder without compressing its weights."""
    import_openvino().save_model(model, folder / MODEL_FILE, compress_to_fp16=False)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder, which is renamed when it is complete, unless another worker was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        complete = Path(scratch) / "complete"
        complete.mkdir()
        yield complete
        try:
            complete.rename(folder)
        except OSError:
            if not folder.exists():
                raise
