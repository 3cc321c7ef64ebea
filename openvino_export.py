"""A network as OpenVINO takes it: exported once and kept in the cache."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from logger import log
from networks import Network, cache_name
from settings import Settings
from tensorflow_graph import trace

MODEL_FILE = "model.xml"


def import_openvino() -> Any:
    """Return the module, kept from reporting to a statistics server over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def exported(network: Network, settings: Settings) -> Path:
    """Return the file with OpenVINO's copy of the network, made when the cache does not have it.

    Raises:
        ModelError: the network cannot be loaded, or does not fit the settings.
    """
    folder = settings.model_cache_dir.expanduser() / cache_name(network, settings)
    if not folder.exists():
        log("model_exporting", path=folder)
        model = import_openvino().convert_model(trace(network, settings))
        with new_folder(folder) as scratch:
            save(model, scratch)
    return folder / MODEL_FILE


def save(model: Any, folder: Path) -> None:
    """Write a model into a folder as it is, its numbers not shortened."""
    import_openvino().save_model(model, folder / MODEL_FILE, compress_to_fp16=False)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a scratch folder, which gets its name when it is whole, unless another worker was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        yield whole
        try:
            whole.rename(folder)
        except OSError:
            if not folder.exists():
                raise
