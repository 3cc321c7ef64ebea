"""A network on OpenVINO gives the answers of TensorFlow, or is refused in one line that says so."""

import pkgutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import ImageShape
from inference.agreement import sample_pictures
from inference.engine import Pixels, Probabilities, Run
from inference.export_check import check_export
from inference.networks import ModelError
from tests.conftest import picture
from tests.inference.conftest import PIXELS, Load, MakeNetwork, outputs_of

SHAPE = ImageShape(4, 6, 1)


def gives(probability: float, first: float | None = None) -> Run:
    """Return a network that gives this for each picture, or something else for the first one."""

    def run(pixels: Pixels) -> Probabilities:
        outputs = np.full((len(pixels), 2), probability, np.float32)
        outputs[0] = probability if first is None else first
        return outputs

    return run


@pytest.mark.parametrize(("classes", "activation"), [(1, "sigmoid"), (1000, "softmax")])
def test_a_network_whose_outputs_are_bfloat16_is_served(
    classes: int, activation: str, make_network: MakeNetwork, load: Load
) -> None:
    file = make_network(classes, activation, dtype="mixed_bfloat16")
    classifier = load(file, engine="openvino")
    pictures = sample_pictures(classifier.engine.shape)
    expected = outputs_of(file, pictures).astype(np.float32)
    assert abs(classifier.engine(pictures)[:, -classes:] - expected).max() < 0.02


def test_a_network_that_openvino_computes_differently_is_refused_and_served_by_tensorflow(
    make_network: MakeNetwork, load: Load
) -> None:
    import keras

    log_softmax = keras.layers.Conv2D(3, 3, activation="log_softmax")
    options: list[tuple[Any, ...]] = [(log_softmax,), ()]
    for layers, quantize in zip(options, (None, "int8"), strict=True):
        file = make_network(4, "softmax", *layers, quantize=quantize)
        with pytest.raises(ModelError, match=r"OpenVINO computes this network differently: .* use ENGINE=tensorflow$"):
            load(file, engine="openvino")
        assert load(file, engine="tensorflow").predict([PIXELS])


@pytest.mark.parametrize(
    ("layer", "quantize", "reason"),
    [
        (("Resizing", {"height": 4, "width": 4, "interpolation": "bicubic"}), None, "ResizeBicubic"),
        (("RandomGrayscale", {"factor": 0.5}), None, "AssignVariableOp"),
        (None, "float8", "Unsupported operation of type: Convert"),
    ],
)
def test_a_network_that_openvino_cannot_compute_is_refused_in_one_line_and_served_by_tensorflow(
    layer: tuple[str, dict[str, object]] | None,
    quantize: str | None,
    reason: str,
    make_network: MakeNetwork,
    load: Load,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import keras

    layers = [getattr(keras.layers, layer[0])(**layer[1])] if layer else []
    file = make_network(4, "softmax", *layers, quantize=quantize)
    # OpenVINO changes the level of the root logger when it fails; this sets it back.
    with (
        caplog.at_level("WARNING"),
        pytest.raises(ModelError, match=f"^OpenVINO cannot .*, use ENGINE=tensorflow: .*{reason}") as refused,
    ):
        load(file, engine="openvino")
    assert "\n" not in str(refused.value)
    assert load(file, engine="tensorflow").predict([PIXELS])


@pytest.mark.parametrize(
    ("during", "changes"),
    [
        ("inference.networks.load_keras_file", {"engine": "tensorflow"}),
        ("inference.networks.load_keras_file", {"engine": "openvino"}),
        ("inference.quantization.decode_image", {"engine": "openvino", "precision": "int8"}),
    ],
)
def test_a_network_that_is_deployed_during_a_start_is_never_taken_for_the_one_before_it(
    during: str,
    changes: dict[str, object],
    make_network: MakeNetwork,
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = make_network(4, "softmax", scale=-1 / 255).read_bytes()
    file = make_network(4, "softmax")
    old = file.read_bytes()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for colour in ("red", "blue"):
        (pictures / f"{colour}.png").write_bytes(picture(colour))
    original = pkgutil.resolve_name(during)

    def deploy_and_go_on(*arguments: Any) -> Any:
        file.write_bytes(new)
        return original(*arguments)

    monkeypatch.setattr(during, deploy_and_go_on)
    with pytest.raises(ModelError, match=r"own\.keras .*changed while .*; start again$"):
        load(file, calibration_dir=pictures, **changes)
    monkeypatch.undo()
    file.write_bytes(old)
    classifier = load(file, calibration_dir=pictures, **changes)
    sample = sample_pictures(classifier.engine.shape)
    assert abs(classifier.engine(sample) - outputs_of(file, sample)).max() < 0.1


@pytest.mark.parametrize(("numbers", "rounding"), [("f32", 0.001), ("f16", 0.005), ("bf16", 0.05)])
def test_a_network_may_be_off_by_what_its_numbers_are_rounded_by_and_no_more(numbers: str, rounding: float) -> None:
    check_export(gives(0.5), gives(0.5 + rounding), SHAPE, {"u8", numbers})
    with pytest.raises(ModelError, match="differently"):
        check_export(gives(0.5), gives(0.5 + 10 * rounding + 0.01), SHAPE, {"u8", numbers})


def test_only_pictures_to_which_the_network_has_an_answer_are_compared() -> None:
    nan = float("nan")
    check_export(gives(0.5, first=nan), gives(0.5, first=1), SHAPE, {"f32"})
    with pytest.raises(ModelError, match="differently"):
        check_export(gives(0.5), gives(0.5, first=nan), SHAPE, {"f32"})
