"""PRECISION=int8: a network in 8-bit integers, made by NNCF from the float32 export and the user's pictures.

It is kept in the cache, together with how far its answers agree with float32 on pictures that were held out of the
calibration; the log and the worker's note tell.
"""

import contextlib
import hashlib
import io
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from errors import ServiceError
from inference.agreement import Agreement, compare
from inference.engine import Pixels
from inference.graph import fingerprint
from inference.model_cache import ModelCache
from inference.networks import ModelError, Network, reading
from inference.openvino_engine import OpenvinoEngine
from inference.openvino_export import MODEL_FILE, ensure_exported, openvino_core, save_model
from inference.precision import Precision
from logger import log
from pictures.decoding import DECODING_VERSION, DecodingOptions, decode_image
from settings import Settings, install_command

if TYPE_CHECKING:
    import openvino

# Incremented whenever networks are quantized in another way, so that those in the cache are made anew.
QUANTIZATION_VERSION = 3
# More pictures take longer, but hardly change NNCF's ranges.
MAX_PICTURES = 300
# One of so many pictures is not calibrated with, but compared with float32.
HELD_OUT = 5


def ensure_quantized(network: Network, settings: Settings, cache: ModelCache) -> tuple[Network, Path]:
    """Return the network in 8-bit integers, after making it if the cache does not have it.

    Returns:
        the network, with a longer note, and the file in which OpenVINO finds it.

    Raises:
        ModelError: the pictures or NNCF are missing, or the network cannot be quantized or written,
            or these have changed meanwhile.
    """
    files = _calibration_files(settings.calibration_dir)
    name = _cache_name(network, settings, files, cache)

    def make(folder: Path) -> None:
        _make(folder, network, settings, files, cache)
        if _cache_name(network, settings, files, cache) != name:
            raise ModelError(f"{network.file} or pictures in CALIBRATION_DIR changed while they were read; start again")

    folder = cache.get(name, make)
    agreement = Agreement.load(folder)
    agreement.log(Precision.INT8)
    note = " ".join(filter(None, [network.note, _note(agreement)]))
    return replace(network, note=note), folder / MODEL_FILE


def _note(agreement: Agreement) -> str:
    return (
        f"Computed in 8-bit integers: the first class is that of float32 for {agreement.same_top} of "
        f"{agreement.pictures} pictures held out of the calibration, and probabilities differ by up to "
        f"{agreement.largest_difference:.4f}."
    )


def _calibration_files(folder: Path | None) -> list[Path]:
    """Return all files below the folder, except hidden ones; of many, a sample that is spread evenly over them."""
    if folder is None:
        raise ModelError("PRECISION=int8 needs CALIBRATION_DIR, a folder with pictures such as the service will get")
    with reading(f"CALIBRATION_DIR={folder}"):
        folder = folder.expanduser()
        if not folder.is_dir():
            raise ModelError(
                f"CALIBRATION_DIR={folder}: no such folder; it holds pictures such as the service will get"
            )
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    files = [folder / name for name in names if not any(part.startswith(".") for part in name.parts)]
    if len(files) < 2:
        need = "at least 2 are needed, one to calibrate and one to compare with float32; a few hundred are best"
        raise ModelError(f"CALIBRATION_DIR={folder}: pictures found: {len(files)}, but {need}")
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
    """Quantize the network with most pictures, and compare it on the others with the float32 one."""
    pictures = np.stack([_pixels(file, settings) for file in files])
    held_out = np.arange(len(pictures)) % HELD_OUT == 1
    full = ensure_exported(network, settings, cache)
    log("quantization_started", path=folder, pictures=len(pictures), held_out=int(held_out.sum()))
    started = time.monotonic()
    try:
        model = _quantize(full, pictures[~held_out])
    except Exception as error:  # NNCF raises almost anything on a network that it does not support
        reason = f"{type(error).__name__}: {error}"
        raise ModelError(f"{network.name} cannot be quantized, use PRECISION=float32: {reason}") from error
    save_model(model, folder)
    exact = OpenvinoEngine(full, settings.image_shape, Precision.FLOAT32)
    near = OpenvinoEngine(folder / MODEL_FILE, settings.image_shape, Precision.INT8)
    compare(exact, near, pictures[held_out]).save(folder)
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
