"""Networks of one's own: what their outputs are is seen or said, and mistakes are told in one line that helps."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.agreement import sample_pictures
from inference.classifier import load_classifier
from inference.networks import ModelError
from tests.conftest import MakeSettings
from tests.inference.conftest import PIXELS, SIDE, Load, MakeNetwork, outputs_of


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["fields"]["note"] for record in caplog.records if record.message == "outputs_doubtful"]


@pytest.mark.parametrize("classes", [1, 4])
def test_a_network_without_a_softmax_is_refused_and_told_what_to_set(
    classes: int, make_network: MakeNetwork, load: Load
) -> None:
    with pytest.raises(ModelError, match=r"^own: its outputs are not probabilities: .* OUTPUT=logits .*OUTPUT=sigmoid"):
        load(make_network(classes))


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_a_network_whose_output_is_a_list_or_dict_of_one_is_served(
    engine: str, make_network: MakeNetwork, load: Load
) -> None:
    import keras

    file = make_network(4, "softmax")
    pictures = sample_pictures(load(file).engine.shape)
    expected, network = outputs_of(file, pictures), keras.models.load_model(file)
    (given,), (made,) = network.inputs, network.outputs
    for outputs in ([made], {"classes": made}):
        keras.Model([given], outputs).save(file)
        assert abs(load(file, engine=engine).engine(pictures) - expected).max() < 1e-4


def test_a_network_that_was_saved_before_it_was_built_is_refused(load: Load, tmp_path: Path) -> None:
    import keras

    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4, activation="softmax")]
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential(layers).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match="saved before it was built"):
        load(tmp_path / "own.keras")


def test_a_network_that_cannot_compute_pictures_of_this_size_is_refused_in_one_line(load: Load, tmp_path: Path) -> None:
    import keras

    layers = [keras.layers.Conv2D(4, SIDE + 1, activation="softmax"), keras.layers.GlobalMaxPooling2D()]
    keras.Sequential([keras.Input((None, None, 3)), *layers]).save(tmp_path / "own.keras")
    with pytest.raises(ModelError, match=r"own\.keras cannot be computed: ValueError: .*negative") as refused:
        load(tmp_path / "own.keras")
    assert "\n" not in str(refused.value)


def test_a_network_whose_outputs_are_not_finite_is_refused(make_network: MakeNetwork, load: Load) -> None:
    with pytest.raises(ModelError, match="not finite numbers"):
        load(make_network(4, "softmax", scale=float("nan")))


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
@pytest.mark.parametrize("output", ["logits", "sigmoid"])
def test_logits_become_probabilities_in_both_engines(
    output: str, engine: str, make_network: MakeNetwork, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    file = make_network(4)
    pictures = sample_pictures(load(file, output=output).engine.shape)
    exponentials = np.exp(outputs_of(file, pictures))
    sums = exponentials.sum(axis=1, keepdims=True) if output == "logits" else 1 + exponentials
    served = load(file, output=output, engine=engine).engine(pictures)
    assert abs(served - exponentials / sums).max() < 1e-4
    assert notes(caplog) == []


@pytest.mark.parametrize("output", ["logits", "sigmoid", "probabilities"])
def test_one_output_is_the_probability_of_the_second_of_two_classes(
    output: str, make_network: MakeNetwork, load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    file = make_network(1, "sigmoid" if output == "probabilities" else None)
    classifier = load(file, output=output, labels=tmp_path / "labels.txt")
    pixels = np.frombuffer(PIXELS, np.uint8).reshape(1, SIDE, SIDE, 3)
    (raw,) = outputs_of(file, pixels)[0]
    dog = raw if output == "probabilities" else 1 / (1 + np.exp(-raw))
    (top,) = classifier.predict([PIXELS])
    shown: dict[str, object] = {prediction.label: (prediction.index, prediction.probability) for prediction in top}
    assert shown == {"cat": (0, pytest.approx(1 - dog, abs=1e-5)), "dog": (1, pytest.approx(dog, abs=1e-5))}
    assert notes(caplog) == []


def test_several_labels_for_a_picture_are_served_with_a_warning(
    make_network: MakeNetwork, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    load(make_network(4, "sigmoid"))
    (note,) = notes(caplog)
    assert "do not add up to 1" in note


@pytest.mark.parametrize(("activation", "output"), [("softmax", "logits"), ("sigmoid", "sigmoid")])
def test_a_softmax_or_sigmoid_that_is_applied_twice_is_warned_of(
    activation: str, output: str, make_network: MakeNetwork, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    load(make_network(4, activation), output=output)
    assert any(f"do not set OUTPUT={output}" in note for note in notes(caplog))


def test_a_network_that_hardly_sees_the_pictures_is_warned_of_with_the_setting(
    make_network: MakeNetwork, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    file = make_network(4, "softmax")
    load(file)
    assert notes(caplog) == []
    load(file, preprocess="unit")
    (note,) = notes(caplog)
    assert "PREPROCESS=unit" in note


def test_unit_scales_pixels_to_0_to_1(make_network: MakeNetwork, load: Load) -> None:
    file = make_network(4, "softmax", scale=1)
    classifier = load(file, preprocess="unit")
    pictures = sample_pictures(classifier.engine.shape)
    assert abs(classifier.engine(pictures) - outputs_of(file, pictures / 255)).max() < 1e-5


def test_an_h5_file_is_told_how_to_become_a_keras_file(make_network: MakeNetwork, load: Load) -> None:
    with pytest.raises(ModelError, match=r"own\.h5 is in Keras's old format.*load_model\(.*own\.h5.*own\.keras"):
        load(make_network(4, "softmax", suffix=".h5"))


def test_code_in_a_file_is_named_in_one_short_line(make_network: MakeNetwork, load: Load) -> None:
    import keras

    class Mine(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return inputs / 255

    def half(x: Any) -> Any:
        return x / 2

    for layer, name in [(keras.layers.Lambda(lambda x: x / 255), "a Lambda layer"), (Mine(), "Mine")]:
        with pytest.raises(ModelError, match=re.escape(f"contains code ({name}), which is not run")) as refused:
            load(make_network(4, "softmax", layer))
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400
    with pytest.raises(ModelError, match=r"contains code \(half\)"):
        load(make_network(4, half))


def test_imagenet_labels_can_be_asked_for_by_name(make_network: MakeNetwork, load: Load) -> None:
    classifier = load(make_network(1000, "softmax"), labels="imagenet")
    assert classifier.labels[483] == "castle"


def test_labels_are_in_any_language_and_must_be_utf_8(make_network: MakeNetwork, load: Load, tmp_path: Path) -> None:
    file, labels = make_network(2, "softmax"), tmp_path / "labels.txt"
    labels.write_text("Löwenzahn\nвишня\n", encoding="utf-8-sig")
    assert list(load(file, labels=labels).labels) == ["Löwenzahn", "вишня"]
    labels.write_text("Löwenzahn\nTulpe\n", encoding="latin-1")
    with pytest.raises(ModelError, match="not text in UTF-8"):
        load(file, labels=labels)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [("/proc/self/mem", "Input/output error"), ("~nobody-x/labels.txt", "Could not determine home directory")],
)
def test_labels_that_cannot_be_read_are_named(labels: str, reason: str, make_network: MakeNetwork, load: Load) -> None:
    with pytest.raises(ModelError, match=f"LABELS={labels} cannot be read: {reason}"):
        load(make_network(2, "softmax"), labels=labels)


def test_a_network_in_the_home_of_nobody_is_named(load: Load) -> None:
    with pytest.raises(
        ModelError, match=r"MODEL=~nobody-x/n\.keras cannot be read: Could not determine home directory"
    ):
        load(Path("~nobody-x/n.keras"))


@pytest.mark.parametrize(("top_classes", "count"), [(1, 1), (3, 3), ("all", 7), (100, 7)])
def test_as_many_classes_are_named_as_asked_for(
    top_classes: object, count: int, make_network: MakeNetwork, load: Load
) -> None:
    (top,) = load(make_network(7, "softmax"), top_classes=top_classes).predict([PIXELS])
    assert len(top) == count
    assert [prediction.label for prediction in top] == [f"class_{prediction.index}" for prediction in top]


def test_whatever_changes_answers_changes_the_fingerprint(
    make_network: MakeNetwork, load: Load, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\nf\ng\n")
    file = make_network(7)
    changes: list[dict[str, object]] = [
        {"output": "logits"},
        {"output": "sigmoid"},
        {"output": "logits", "top_classes": 7},
        {"output": "logits", "labels": tmp_path / "labels.txt"},
        {"output": "logits", "preprocess": "unit"},
    ]
    assert len({load(file, **change).fingerprint for change in changes}) == len(changes)
    assert load(file, output="logits", top_classes="all").fingerprint == load(file, **changes[2]).fingerprint


def test_output_is_refused_for_networks_that_give_probabilities(make_settings: MakeSettings) -> None:
    with pytest.raises(ModelError, match="OUTPUT=logits is for a network of your own"):
        load_classifier(make_settings(model="efficientnet_lite0", output="logits"))
