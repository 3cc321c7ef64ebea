"""A network as OpenVINO takes it: exported once, kept in the cache, compiled for this processor."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from logger import log
from networks import Network, fingerprint
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
    folder = settings.model_cache_dir.expanduser() / f"{network.name}-{fingerprint(network, settings)}"
    if not folder.exists():
        log("model_exporting", path=folder)
        model = import_openvino().convert_model(trace(network, settings))
        save(model, folder)
    return folder / MODEL_FILE


def save(model: Any, folder: Path) -> None:
    """Keep a model in a new folder, which appears only when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "whole"
        import_openvino().save_model(model, whole / MODEL_FILE, compress_to_fp16=False)
        _rename(whole, folder)


def _rename(whole: Path, folder: Path) -> None:
    """Give a finished folder its name, unless another worker was faster."""
    try:
        whole.rename(folder)
    except OSError:
        if not folder.exists():
            raise
