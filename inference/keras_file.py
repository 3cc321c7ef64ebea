"""Loads a `.keras` file, and says in one line why that fails."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Where Keras's own classes come from, and functions that a file names.
KERAS = "keras"
REASON_CHARS = 200
TERMINAL_STYLES = re.compile(r"\x1b\[\d*m")


class CannotLoad(Exception):
    """The file cannot be loaded; the message says why, in one line."""


def load_keras_file(file: Path) -> Any:
    """Return the Keras model in a file.

    Raises:
        CannotLoad: it is damaged, or contains code.
    """
    import keras

    try:
        # Safe mode refuses a file that contains code.
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras and h5py raise almost anything on a file that is not what it should be
        if foreign := sorted(set(_foreign_parts(_config(file)))):
            raise CannotLoad(
                f"it contains code ({', '.join(foreign)}), which is not run. Use layers that Keras has, such as "
                "Rescaling, and save it again"
            ) from error
        raise CannotLoad(one_line(error)) from error


def one_line(error: Exception) -> str:
    """Return the beginning of an error's message; those of Keras may hold a whole network.

    Lines that end in a colon are left out: they say where in the sources of Keras or OpenVINO it was, not what.
    """
    lines = [line.strip() for line in TERMINAL_STYLES.sub("", str(error)).splitlines()]
    message = " ".join(line for line in lines if line and not line.endswith(":"))
    return f"{type(error).__name__}: {message[:REASON_CHARS]}{'…' if len(message) > REASON_CHARS else ''}"


def _config(file: Path) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            return json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _foreign_parts(config: Any) -> Iterator[str]:
    """Yield the names of classes and functions in a network's description that are not Keras's."""
    if isinstance(config, list):
        for each in config:
            yield from _foreign_parts(each)
    if isinstance(config, dict):
        name = config.get("class_name")
        if name == "Lambda":
            yield "a Lambda layer"
        elif isinstance(name, str) and "registered_name" in config and not _is_of_keras(config):
            yield str(config["config"]) if name == "function" else name
        for each in config.values():
            yield from _foreign_parts(each)


def _is_of_keras(config: dict[str, Any]) -> bool:
    return str(config.get("module")).partition(".")[0] == KERAS
