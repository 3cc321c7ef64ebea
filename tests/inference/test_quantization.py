"""PRECISION=int8 on real networks: results close to float32, quantized once, clear errors if something is missing."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import orjson
import pytest
import requests
from PIL import Image

from benchmarks.services import Services, wait_until
from helpers import Crop
from inference import quantization
from inference.classifier import Classifier, load_classifier
from inference.networks import ModelError
from inference.openvino_engine import compile_options
from inference.openvino_export import openvino_core
from inference.precision import Precision
from inference.quantization import HELD_OUT, MAX_PICTURES
from pictures.decoding import decode_image
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import CASTLE, COLOURS, OPTIONS, MakeSettings, picture
from tests.support.clients import post

PICTURES = 12
# As the embedded network's pictures are cropped by default.
CENTER = OPTIONS._replace(crop=Crop("center", 0.875))


@pytest.fixture(scope="module")
def castles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with crops of the castle, every other one mirrored."""
    folder = tmp_path_factory.mktemp("castles")
    random = np.random.default_rng(0)
    with Image.open(CASTLE) as castle:
        for index in range(PICTURES):
            share = random.uniform(0.6, 1)
            width, height = (int(side * share) for side in castle.size)
            left, top = int(random.integers(castle.width - width + 1)), int(random.integers(castle.height - height + 1))
            part = castle.crop((left, top, left + width, top + height))
            part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if index % 2 else part
            part.save(folder / f"{index:02}.jpg")
    return folder


@pytest.fixture(scope="module")
def colour_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for colour in COLOURS:
        (folder / f"{colour}.png").write_bytes(picture(colour))
    return folder


@pytest.fixture(scope="module")
def int8_settings(castles: Path, model_cache: Path) -> Settings:
    return Settings(  # type: ignore[call-arg]
        _env_file=None,
        model="efficientnet_lite0",
        precision="int8",
        calibration_dir=castles,
        model_cache_dir=model_cache,
        batch_size=1,
    )


@pytest.fixture(scope="module")
def int8(int8_settings: Settings) -> Classifier:
    return load_classifier(int8_settings)


@pytest.fixture
def without_nncf(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(quantization, "version", missing)
    monkeypatch.setitem(sys.modules, "nncf", None)


def pixels_of(file: Path) -> bytes:
    return decode_image(file.read_bytes(), CENTER)


def folder_of(model_cache: Path) -> Path:
    (folder,) = model_cache.glob("efficientnet_lite0-int8-*")
    return folder


def test_the_8_bit_network_recognizes_the_castle_and_says_its_precision(int8: Classifier) -> None:
    ((best, *_),) = int8.predict([pixels_of(CASTLE)])
    assert best.label == "castle"
    assert best.probability >= 0.8
    assert (int8.model, int8.precision, int8.engine.name) == ("efficientnet_lite0", "int8", "openvino")


@pytest.mark.usefixtures("int8")
def test_its_convolutions_are_computed_in_8_bits(model_cache: Path) -> None:
    model = openvino_core().compile_model(folder_of(model_cache) / "model.xml", "CPU", compile_options(Precision.INT8))
    nodes: list[dict[str, Any]] = [node.get_rt_info() for node in model.get_runtime_model().get_ops()]
    precisions = [node["runtimePrecision"].value for node in nodes if "Conv" in node["layerType"].value]
    assert len(precisions) >= 49
    assert set(precisions) <= {"u8", "i8"}


def test_its_note_gives_the_agreement_with_float32_on_pictures_held_out_of_the_calibration(
    int8: Classifier, int8_settings: Settings, castles: Path
) -> None:
    float32 = load_classifier(int8_settings.model_copy(update={"precision": "float32", "calibration_dir": None}))
    held_out = sorted(castles.iterdir())[1::HELD_OUT]
    pixels = b"".join(pixels_of(file) for file in held_out)
    batch = np.frombuffer(pixels, np.uint8).reshape(len(held_out), 224, 224, 3)
    exact, near = float32.engine(batch), int8.engine(batch)
    same = int((exact.argmax(axis=1) == near.argmax(axis=1)).sum())
    difference = float(abs(exact - near).max())
    agreement = orjson.loads((folder_of(int8_settings.model_cache_dir) / "agreement.json").read_bytes())
    assert (agreement["pictures"], agreement["same_top"]) == (len(held_out), same)
    assert agreement["largest_difference"] == pytest.approx(difference, abs=1e-3)
    assert f"for {same} of {len(held_out)} pictures held out of the calibration" in int8.note
    assert f"differ by up to {agreement['largest_difference']:.4f}" in int8.note
    assert 0 < difference < 0.2


def test_a_later_start_needs_neither_nncf_nor_tensorflow_and_has_the_same_note(
    int8: Classifier, int8_settings: Settings
) -> None:
    code = """
import sys
from importlib.metadata import PackageNotFoundError
from inference import quantization
from inference.classifier import load_classifier
from settings import Settings
def missing(name):
    raise PackageNotFoundError(name)
quantization.version = missing
sys.modules["nncf"] = None
classifier = load_classifier(Settings.model_validate_json(sys.argv[1]))
print(classifier.note)
print({"tensorflow", "keras", "openvino", "openvino_telemetry.main"} & set(sys.modules))
"""
    settings = int8_settings.model_dump_json(exclude_unset=True)
    done = subprocess.run([sys.executable, "-c", code, settings], cwd=PROJECT_DIR, capture_output=True, text=True)
    assert done.stdout == f"{int8.note}\n{{'openvino'}}\n", done.stderr


@pytest.mark.usefixtures("without_nncf")
def test_without_nncf_quantization_fails_and_says_how_to_install_it(
    colour_settings: MakeSettings, colour_pictures: Path, tmp_path: Path
) -> None:
    settings = colour_settings(precision="int8", calibration_dir=colour_pictures, model_cache_dir=tmp_path)
    with pytest.raises(ModelError, match=r"pip install -r requirements-int8\.txt"):
        load_classifier(settings)


def test_a_network_is_quantized_once_for_each_set_of_calibration_pictures(
    colour_settings: MakeSettings, colour_pictures: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    (fewer / "inside").mkdir(parents=True)
    for colour in ("red", "blue"):
        (fewer / "inside" / f"{colour}.png").write_bytes(picture(colour))
    cache = tmp_path / "cache"
    for folder, networks in ((colour_pictures, 1), (fewer, 2), (colour_pictures, 2)):
        load_classifier(colour_settings(precision="int8", calibration_dir=folder, model_cache_dir=cache))
        assert len(list(cache.glob("colours-int8-*-nncf-*"))) == networks
    assert len(list(cache.iterdir())) == 3


def test_of_many_calibration_pictures_an_evenly_spread_selection_is_used(tmp_path: Path) -> None:
    for index in range(2 * MAX_PICTURES):
        (tmp_path / f"{index:04}.jpg").touch()
    files = quantization._calibration_files(tmp_path)
    assert [file.name for file in files] == [f"{2 * index:04}.jpg" for index in range(MAX_PICTURES)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration_dir": None}, "PRECISION=int8 needs CALIBRATION_DIR, a folder with pictures"),
        ({"calibration_dir": Path("/no/such")}, "CALIBRATION_DIR=/no/such: no such folder"),
        ({"engine": "tensorflow"}, "PRECISION=int8 is for OpenVINO: use ENGINE=openvino or auto, or PRECISION=float32"),
    ],
)
def test_int8_with_missing_or_wrong_settings_is_refused_with_a_remedy(
    changes: dict[str, object], message: str, colour_settings: MakeSettings, colour_pictures: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        load_classifier(colour_settings(**({"precision": "int8", "calibration_dir": colour_pictures} | changes)))


@pytest.mark.parametrize("count", [0, 1])
def test_a_calibration_folder_with_fewer_than_two_pictures_is_refused(
    count: int, colour_settings: MakeSettings, tmp_path: Path
) -> None:
    for name in [".hidden", "one.png"][: count + 1]:
        (tmp_path / name).write_bytes(picture())
    with pytest.raises(ModelError, match=f"pictures found: {count}, but at least 2 are needed"):
        load_classifier(colour_settings(precision="int8", calibration_dir=tmp_path))


def test_a_calibration_file_that_is_not_a_picture_is_named(colour_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(picture())
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(ModelError, match=r"notes\.txt cannot be used, remove it: This is not a picture"):
        load_classifier(colour_settings(precision="int8", calibration_dir=tmp_path))


def test_the_log_and_readyz_give_the_agreement_and_results_say_int8(
    colour_settings: MakeSettings, colour_pictures: Path, tmp_path: Path
) -> None:
    services = Services(colour_settings(precision="int8", calibration_dir=colour_pictures), tmp_path)
    try:
        worker = services.start_worker()
        _, url = services.start_web_server()
        wait_until(lambda: requests.get(f"{url}/readyz", timeout=5).ok)
        (info,) = requests.get(f"{url}/readyz", timeout=5).json()["workers"]
        result = post(url, "blue").json()
    finally:
        services.close()
    assert (info["model"], info["precision"]) == (result["model"], result["precision"]) == ("colours", "int8")
    assert "for 2 of 2 pictures held out of the calibration" in info["note"]
    assert result["predictions"][0]["label"] == "blue"
    assert "precision_agreement precision=int8 pictures=2 same_top=2 largest_difference=" in worker.output
    assert "quantization_progress picture=1 pictures=6" in worker.output
