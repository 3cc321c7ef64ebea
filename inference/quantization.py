"""PRECISION=int8: a network in 8-bit integers, made by NNCF from the float32 export and the user's pictures.

It is kept in the cache, together with how far its answers agree with float32 on these pictures; the log and the
worker's note tell.
"""

import contextlib
import hashlib
import io
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from errors import ServiceError
from helpers import ImageShape
from inference.engine import Pixels
from inference.graph import fingerprint
from inference.model_cache import ModelCache
from inference.networks import ModelError, Network
from inference.openvino_engine import OpenvinoEngine
from inference.openvino_export import MODEL_FILE, ensure_exported, openvino_core, save_model
from inference.precision import Precision
from logger import log
from pictures.decoding import DECODING_VERSION, DecodingOptions, decode_image
from settings import Settings, install_command

if TYPE_CHECKING:
    import openvino

# Incremented whenever networks are quantized in another way, so that those in the cache are made anew.
QUANTIZATION_VERSION = 2
# More pictures take longer, but hardly change NNCF's ranges.
MAX_PICTURES = 300
AGREEMENT_FILE = "agreement.json"


@dataclass(frozen=True)
class Agreement:
    """How close the 8-bit network's answers are to float32.

    Attributes:
        pictures: the number of pictures that both classified.
        same_top: for how many of these both put the same class first.
        largest_difference: between two probabilities of the same class for the same picture, 0 to 1.
    """

    pictures: int
    same_top: int
    largest_difference: float

    def __str__(self) -> str:
        return (
            f"Computed in 8-bit integers: the first class is that of float32 for {self.same_top} of "
            f"{self.pictures} calibration pictures, and probabilities differ by up to {self.largest_difference:.4f}."
        )


def ensure_quantized(network: Network, settings: Settings, cache: ModelCache) -> tuple[Network, Path]:
    """Return the network in 8-bit integers, after making it if the cache does not have it.

    Returns:
        the network, with a longer note, and the file in which OpenVINO finds it.

    Raises:
        ModelError: the pictures or NNCF are missing, or the network cannot be quantized or written.
    """
    files = _calibration_files(settings.calibration_dir)
    name = _cache_name(network, settings, files, cache)
    folder = cache.get(name, lambda folder: _make(folder, network, settings, files, cache))
    agreement = Agreement(**orjson.loads((folder / AGREEMENT_FILE).read_bytes()))
    log("int8_agreement", **asdict(agreement))
    note = " ".join(filter(None, [network.note, str(agreement)]))
    return replace(network, note=note), folder / MODEL_FILE


def _calibration_files(folder: Path | None) -> list[Path]:
    """Return all files below the folder, except hidden ones; of many, a sample that is spread evenly over them."""
    if folder is None:
        raise ModelError("PRECISION=int8 needs CALIBRATION_DIR, a folder with pictures such as the service will get")
    folder = folder.expanduser()
    if not folder.is_dir():
        raise ModelError(f"CALIBRATION_DIR={folder}: no such folder; it holds pictures such as the service will get")
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = [folder / name for name in names if not any(part.startswith(".") for part in name.parts)]
    if not files:
        raise ModelError(f"CALIBRATION_DIR={folder}: the folder is empty; a few hundred pictures are best")
    count = min(len(files), MAX_PICTURES)
    return [files[index * len(files) // count] for index in range(count)]


def _cache_name(network: Network, settings: Settings, files: Sequence[Path], cache: ModelCache) -> str:
    """Return the name of the 8-bit network in the cache; without NNCF, the newest that any version of it has made."""
    digest = hashlib.sha256(
        repr((fingerprint(network, settings), QUANTIZATION_VERSION, DECODING_VERSION, settings.crop)).encode()
    )
    for file in files:
        digest.update(hashlib.sha256(_read(file)).digest())
    prefix = f"{network.name}-int8-{digest.hexdigest()[:16]}-nncf-"
    try:
        return f"{prefix}{version('nncf')}"
    except PackageNotFoundError as error:
        made = cache.names(prefix)
        if not made:
            install = install_command("requirements-int8.txt")
            message = f"PRECISION=int8: NNCF, which makes the 8-bit network, is missing: {install}"
            raise ModelError(message) from error
        return made[-1]


def _make(folder: Path, network: Network, settings: Settings, files: Sequence[Path], cache: ModelCache) -> None:
    """Quantize the network and compare it with the float32 one."""
    pictures = np.stack([_pixels(file, settings) for file in files])
    full = ensure_exported(network, settings, cache)
    log("quantization_started", path=folder, pictures=len(pictures))
    started = time.monotonic()
    try:
        model = _quantize(full, pictures)
    except Exception as error:  # NNCF raises almost anything on a network that it does not support
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"{network.name} cannot be quantized, use PRECISION=float32: {reason}") from error
    save_model(model, folder)
    agreement = _compare(full, folder / MODEL_FILE, pictures)
    (folder / AGREEMENT_FILE).write_bytes(orjson.dumps(agreement))
    log("quantization_done", seconds=time.monotonic() - started)


def _pixels(file: Path, settings: Settings) -> Pixels:
    """Decode a picture as an upload is decoded."""
    try:
        pixels = decode_image(_read(file), DecodingOptions.of(settings))
    except ServiceError as error:
        raise ModelError(f"CALIBRATION_DIR: {file} cannot be used, remove it: {error}") from error
    return np.frombuffer(pixels, np.uint8).reshape(settings.image_shape)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"CALIBRATION_DIR: {file} cannot be read: {error.strerror}") from error


def _quantize(file: Path, pictures: Pixels) -> "openvino.Model":
    """Let NNCF choose the ranges of the 8-bit numbers from what the pictures cause in the float32 network.

    Weights use 7 of the 8 bits: processors without VNNI add products in pairs to 16 bits, which would overflow
    (https://docs.openvino.ai, "Quantizing models", saturation issue).
    """
    core = openvino_core()
    import nncf
    from nncf.quantization.advanced_parameters import OverflowFix

    def give(index: int) -> Pixels:
        if index % max(1, len(pictures) // 10) == 0:
            log("quantization_progress", picture=index + 1, pictures=len(pictures))
        return pictures[index : index + 1]

    # Its progress bars are for a terminal; the log has its own.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):
        quantized: openvino.Model = nncf.quantize(
            core.read_model(file),
            nncf.Dataset(range(len(pictures)), give),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(pictures),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
        )
        return quantized


def _compare(full: Path, small: Path, pictures: Pixels) -> Agreement:
    same_top, largest = 0, 0.0
    shape = ImageShape(*pictures.shape[1:])
    engines = [OpenvinoEngine(full, shape, Precision.FLOAT32), OpenvinoEngine(small, shape, Precision.INT8)]
    for picture in pictures:
        exact, near = (run(picture[np.newaxis])[0] for run in engines)
        same_top += int(exact.argmax() == near.argmax())
        largest = max(largest, float(abs(exact - near).max()))
    return Agreement(len(pictures), same_top, largest)
