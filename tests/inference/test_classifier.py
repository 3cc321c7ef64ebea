"""The networks in both engines: correct classes, equal results, and clear errors for a network that does not fit."""

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import networks
from inference.classifier import Classifier, load_classifier
from inference.efficientnet_lite0 import read_checkpoint, weights_file
from inference.networks import ModelError, resolve_network
from inference.weights import WeightsUnavailable, keras_home
from keras_networks import KERAS_NETWORKS
from pictures.decoding import decode_image
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import CASTLE, COLOURS, OPTIONS, MakeSettings, picture
from tests.support.pretended_engine import PretendedEngine

# From two independent runs of the original service on its own photograph, which this repository does not contain.
REFERENCE = {"church": 0.4136, "castle": 0.3930, "monastery": 0.1733, "palace": 0.0041, "vault": 0.0034}
RESNET50 = KERAS_NETWORKS["ResNet50"].weights
REFERENCE_IMAGE = Path(__file__).parent / "reference_castle.jpg"


def pixels_of(upload: bytes) -> bytes:
    return decode_image(upload, OPTIONS)


def predict(classifier: Classifier, upload: bytes) -> dict[str, float]:
    (top,) = classifier.predict([pixels_of(upload)])
    return {prediction.label: prediction.probability for prediction in top}


def offline(*_: object) -> Any:
    raise WeightsUnavailable("could not be downloaded from the test; put the file at /some/where")


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "find_weights", offline)


@pytest.fixture(scope="module")
def random_resnet50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras home with weights for ResNet50, in the format of the published file but random."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(weights=None)
    with h5py.File(home / "models" / RESNET50.name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return home


@pytest.fixture
def embedded(make_settings: MakeSettings, model_cache: Path) -> Classifier:
    return load_classifier(make_settings(model="efficientnet_lite0", model_cache_dir=model_cache, batch_size=1))


def test_the_embedded_network_recognizes_the_castle(embedded: Classifier) -> None:
    classes = predict(embedded, CASTLE.read_bytes())
    assert len(classes) == 5
    assert next(iter(classes)) == "castle"
    assert classes["castle"] >= 0.8
    assert list(classes.values()) == sorted(classes.values(), reverse=True)


@pytest.mark.parametrize("model", ["efficientnet_lite0", "resnet50"])
def test_both_engines_agree_on_every_probability(
    model: str,
    make_settings: MakeSettings,
    model_cache: Path,
    random_resnet50: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(random_resnet50))
    noise = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    castle = np.frombuffer(pixels_of(CASTLE.read_bytes()), np.uint8).reshape(1, 224, 224, 3)
    pixels = np.concatenate([castle, noise])
    both = []
    for engine in ("tensorflow", "openvino"):
        settings = make_settings(model=model, engine=engine, model_cache_dir=model_cache, batch_size=1)
        both.append(load_classifier(settings).engine(pixels))
    assert both[0].shape == (3, 1000)
    assert abs(both[0].sum(axis=1) - 1).max() < 1e-4
    assert abs(both[0] - both[1]).max() < 1e-4


def test_resnet50_is_loaded_from_the_cache_of_keras_with_caffe_preprocessing(
    random_resnet50: Path, make_settings: MakeSettings, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setenv("KERAS_HOME", str(random_resnet50))
    classifier = load_classifier(make_settings(model="resnet50", model_cache_dir=model_cache, batch_size=1))
    assert (classifier.model, classifier.precision, classifier.note) == ("resnet50", "float32", "")
    pixels = np.frombuffer(pixels_of(CASTLE.read_bytes()), np.uint8).reshape(1, 224, 224, 3)
    model = keras.applications.ResNet50(weights=str(random_resnet50 / "models" / RESNET50.name))
    prepared = keras.applications.resnet50.preprocess_input(pixels.astype(np.float32))
    expected = np.asarray(model(prepared))
    assert abs(classifier.engine(pixels) - expected).max() < 1e-5


@pytest.mark.may_skip_in_ci
def test_the_imagenet_weights_give_the_reference_result(make_settings: MakeSettings, model_cache: Path) -> None:
    weights = keras_home() / "models" / RESNET50.name
    if not weights.exists() or not REFERENCE_IMAGE.exists():
        pytest.skip(f"needs ResNet50's weights ({RESNET50.url}) at {weights} and the picture {REFERENCE_IMAGE}")
    settings = make_settings(model="resnet50", model_cache_dir=model_cache, batch_size=1)
    classes = predict(load_classifier(settings), REFERENCE_IMAGE.read_bytes())
    assert classes == pytest.approx(REFERENCE, abs=1e-3)


@pytest.mark.usefixtures("no_weights")
def test_auto_falls_back_to_the_embedded_network_and_logs_it(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    network = resolve_network(make_settings(model="auto"))
    assert network.name == "efficientnet_lite0"
    assert "not ResNet50" in network.note
    assert "embedded_model_used" in caplog.text


@pytest.mark.usefixtures("no_weights")
def test_resnet50_without_weights_fails_and_says_where_to_put_them(make_settings: MakeSettings) -> None:
    with pytest.raises(ModelError, match="put the file at /some/where"):
        resolve_network(make_settings(model="resnet50"))


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_any_keras_file_can_be_served_with_its_own_labels(engine: str, colour_settings: MakeSettings) -> None:
    classifier = load_classifier(colour_settings(engine=engine))
    assert (classifier.model, classifier.engine.name, classifier.batch_size) == ("colours", engine, 4)
    for size in (1, 3, 8):
        colours = list(COLOURS)[:size]
        tops = classifier.predict([pixels_of(picture(colour)) for colour in colours])
        assert [top[0].label for top in tops] == colours


def test_without_labels_the_classes_are_numbers(colour_settings: MakeSettings) -> None:
    classes = predict(load_classifier(colour_settings(labels=None)), picture("blue"))
    assert next(iter(classes)) == "class_1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_width": 100}, r"takes pictures of .*\(224, 224, 3\), but .* are \(224, 100, 3\)"),
        ({"image_chans": 1}, "IMAGE_CHANS"),
        ({"model": "/no/such.keras"}, "no such network"),
        ({"labels": Path("/no/labels.txt")}, "no such file"),
        ({"labels": CASTLE.parent / "LICENSE"}, "^LABELS has 21 classes, but the network has 8$"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_the_reason(
    changes: dict[str, object], message: str, colour_settings: MakeSettings
) -> None:
    with pytest.raises(ModelError, match=message):
        load_classifier(colour_settings(**changes))


def test_a_damaged_keras_file_is_refused(colour_settings: MakeSettings, tmp_path: Path) -> None:
    broken = tmp_path / "broken.keras"
    with zipfile.ZipFile(broken, "w"):
        pass
    with pytest.raises(ModelError, match=r"broken\.keras cannot be loaded"):
        load_classifier(colour_settings(model=str(broken)))


def test_a_file_that_is_only_named_like_a_keras_file_is_refused_before_tensorflow_is_loaded(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    (tmp_path / "no.keras").write_bytes(b"not a zip file")
    with pytest.raises(ModelError, match=r"no\.keras is not a .keras file: it is not a zip archive$"):
        resolve_network(make_settings(model=str(tmp_path / "no.keras")))


def test_a_keras_file_with_code_in_it_is_refused(colour_settings: MakeSettings, tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((224, 224, 3))
    outputs = keras.layers.Lambda(lambda x: x[:, 0, 0])(pixels)
    keras.Model(pixels, outputs).save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_classifier(colour_settings(model=str(tmp_path / "code.keras")))


def test_only_networks_that_give_the_same_results_have_the_same_fingerprint(
    colour_settings: MakeSettings, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(f"another_{number}" for number in range(8)))
    changes: list[dict[str, object]] = [
        {"engine": "openvino"},
        {"engine": "tensorflow"},
        {"preprocess": "tf"},
        {"labels": tmp_path / "labels.txt"},
        {"labels": None},
    ]
    fingerprints = [load_classifier(colour_settings(**change)).fingerprint for change in changes]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 4


@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
@pytest.mark.parametrize(("milliseconds_lost", "expected"), [(0, 4), (2, 1)], ids=["batches pay", "they do not"])
def test_the_batch_size_is_measured_on_every_engine(
    milliseconds_lost: int,
    expected: int,
    engine: str,
    colour_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretended = PretendedEngine(lambda size: 0.001 * (10 * size + milliseconds_lost * (size - 1)))
    monkeypatch.setattr("time.perf_counter", pretended.now)
    for name in ("OpenvinoEngine", "TensorflowEngine"):
        monkeypatch.setattr(f"inference.classifier.{name}", lambda *_: pretended)
    assert load_classifier(colour_settings(batch_size="auto", engine=engine, labels=None)).batch_size == expected


def test_a_network_is_exported_once_and_then_starts_without_tensorflow(
    colour_settings: MakeSettings, tmp_path: Path
) -> None:
    settings: Settings = colour_settings(model_cache_dir=tmp_path)
    load_classifier(settings)
    (exported,) = tmp_path.iterdir()
    written = (exported / "model.xml").stat().st_mtime_ns
    code = """
import sys
from pathlib import Path
from inference.classifier import load_classifier
from settings import Settings
network = {"model": sys.argv[1], "precision": "float32", "model_cache_dir": Path(sys.argv[2])}
load_classifier(Settings(_env_file=None, batch_size=1, **network))
print({"tensorflow", "keras", "openvino", "openvino_telemetry.main"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, settings.model, str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert done.stdout == "{'openvino'}\n"
    assert (exported / "model.xml").stat().st_mtime_ns == written


def test_each_preprocessing_is_exported_separately(colour_settings: MakeSettings, tmp_path: Path) -> None:
    for preprocess in ("none", "tf"):
        load_classifier(colour_settings(model_cache_dir=tmp_path, preprocess=preprocess))
    assert len(list(tmp_path.iterdir())) == 2


def test_the_checkpoint_reader_reads_every_tensor() -> None:
    tensors = read_checkpoint(weights_file())
    assert len(tensors) == 296
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)


def test_the_checkpoint_reader_refuses_anything_but_tensors(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (print, ("this must not be run",))

    (tmp_path / "harmful.pth").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.print"):
        read_checkpoint(tmp_path / "harmful.pth")


def test_the_labels_are_those_of_keras() -> None:
    names = networks.imagenet_labels()
    assert len(names) == 1000
    assert (names[0], names[483], names[497], names[2]) == ("tench", "castle", "church", "great_white_shark")
