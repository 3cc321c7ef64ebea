"""How far a precision is off from float32: measured once, told at every start, and never a reason not to start."""

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from helpers import ImageShape
from inference import classifier as loading
from inference.agreement import Agreement, compare, log_agreement, sample_pictures
from inference.classifier import load_classifier
from inference.engine import Pixels, Probabilities
from inference.hardware import processor_capabilities
from inference.model_cache import ModelCache
from inference.networks import resolve_network
from inference.openvino_engine import OpenvinoEngine, compile_options
from inference.openvino_export import ensure_exported, openvino_core
from inference.precision import Precision, openvino_precision
from inference.tensorflow_engine import TensorflowEngine, float32_on_processor
from pictures.decoding import decode_image
from settings import Settings
from tests.conftest import CASTLE, OPTIONS, MakeSettings

SHAPE = ImageShape(224, 224, 3)


def float32_engine(settings: Settings, cache: ModelCache) -> OpenvinoEngine:
    return OpenvinoEngine(ensure_exported(resolve_network(settings), settings, cache), SHAPE, Precision.FLOAT32)


def in_bfloat16(probabilities: Probabilities) -> Probabilities:
    """Round to 8 bits of mantissa, towards zero."""
    return (probabilities.view(np.uint32) & 0xFFFF0000).view(np.float32)


def logged(caplog: pytest.LogCaptureFixture, action: str) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.getMessage() == action]


def unavailable() -> NoReturn:
    raise RuntimeError("not for this network")


def test_the_agreement_is_measured_on_the_sample_at_the_first_start_and_told_at_each(
    make_settings: MakeSettings, model_cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    with ModelCache(make_settings(model="efficientnet_lite0", model_cache_dir=model_cache)) as cache:
        exact = float32_engine(make_settings(model="efficientnet_lite0"), cache)
    with ModelCache(make_settings(model_cache_dir=tmp_path)) as cache:
        for load_exact in (lambda: exact, unavailable):
            log_agreement("n", Precision.BFLOAT16, SHAPE, cache, load_exact, lambda pixels: in_bfloat16(exact(pixels)))
    first, second = logged(caplog, "precision_agreement")
    assert first == second
    assert (first["precision"], first["pictures"], first["same_top"]) == ("bfloat16", 10, 10)
    assert 0 < first["largest_difference"] < 2**-8


def test_another_network_or_precision_is_measured_anew(
    colour_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    with ModelCache(colour_settings()) as cache:
        exact = float32_engine(colour_settings(), cache)
    with ModelCache(colour_settings(model_cache_dir=tmp_path)) as cache:
        for graph, precision in (("a", Precision.BFLOAT16), ("b", Precision.BFLOAT16), ("a", Precision.TF32)):
            log_agreement(graph, precision, SHAPE, cache, lambda: exact, exact)
    assert len(list(tmp_path.iterdir())) == 3
    assert {fields["largest_difference"] for fields in logged(caplog, "precision_agreement")} == {0}


def test_a_measurement_that_fails_is_logged_and_the_worker_starts(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ModelCache(make_settings(model_cache_dir=tmp_path)) as cache:
        log_agreement("network", Precision.TF32, SHAPE, cache, unavailable, lambda pixels: pixels.astype(np.float32))
    (fields,) = logged(caplog, "precision_not_compared")
    assert (fields["precision"], str(fields["error"])) == ("tf32", "not for this network")
    assert list(tmp_path.iterdir()) == []


def test_the_agreement_counts_first_classes_and_finds_the_largest_difference() -> None:
    def exact(pixels: Pixels) -> Probabilities:
        return np.array([[0.5, 0.25, 0.25]], np.float32)

    def near(pixels: Pixels) -> Probabilities:
        other = np.array([[0.375, 0.5, 0.125]], np.float32)
        return other if pixels.any() else exact(pixels)

    pictures = np.zeros((3, 1, 1, 3), np.uint8)
    pictures[1] = 1
    assert compare(exact, near, pictures) == Agreement(pictures=3, same_top=2, largest_difference=0.25)


@pytest.mark.parametrize("shape", [SHAPE, ImageShape(32, 48, 1), ImageShape(299, 299, 3)])
def test_the_sample_is_the_castle_and_nine_parts_of_it_for_any_network(shape: ImageShape) -> None:
    whole, *parts = sample_pictures(shape)
    assert whole.tobytes() == decode_image(CASTLE.read_bytes(), OPTIONS._replace(shape=shape))
    assert len({part.tobytes() for part in parts}) == 9
    assert {part.shape for part in parts} == {tuple(shape)}


def test_tensorflow_on_the_processor_computes_the_same_network(colour_settings: MakeSettings) -> None:
    settings = colour_settings()
    network = resolve_network(settings)
    pictures = sample_pictures(SHAPE)
    expected = TensorflowEngine(network, settings, Precision.FLOAT32)(pictures)
    assert abs(float32_on_processor(network, settings)(pictures) - expected).max() < 1e-5


def test_tf32_is_compared_with_float32_and_has_a_fingerprint_of_its_own(
    colour_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "service")
    float32 = load_classifier(colour_settings(engine="tensorflow"))
    monkeypatch.setattr(loading, "has_gpu", lambda: True)
    monkeypatch.setattr(loading, "gpu_compute_capability", lambda: (8, 0))
    tf32 = load_classifier(colour_settings(precision="auto", model_cache_dir=tmp_path))
    assert (tf32.engine.name, tf32.precision, float32.precision) == ("tensorflow", "tf32", "float32")
    assert tf32.fingerprint != float32.fingerprint
    assert [fields["precision"] for fields in logged(caplog, "precision_agreement")] == ["tf32"]


@pytest.mark.may_skip_in_ci
def test_bfloat16_is_computed_where_the_processor_has_it_and_its_agreement_is_logged(
    make_settings: MakeSettings, model_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if openvino_precision("auto", processor_capabilities()) != Precision.BFLOAT16:
        pytest.skip("needs a processor that computes in bfloat16")
    caplog.set_level("INFO", "service")
    settings = make_settings(model="efficientnet_lite0", precision="auto", model_cache_dir=model_cache)
    classifier = load_classifier(settings)
    assert classifier.precision == "bfloat16"
    (fields,) = logged(caplog, "precision_agreement")
    assert fields["same_top"] >= 8
    assert 0 < fields["largest_difference"] < 0.1
    with ModelCache(settings) as cache:
        file = ensure_exported(resolve_network(settings), settings, cache)
    compiled = openvino_core().compile_model(file, "CPU", compile_options(Precision.BFLOAT16))
    nodes: list[dict[str, Any]] = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    precisions = [node["runtimePrecision"].value for node in nodes if "Conv" in node["layerType"].value]
    assert precisions.count("bf16") > len(precisions) / 2
