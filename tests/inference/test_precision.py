"""PRECISION: what the machine computes natively, or what is asked for, but never a claim that is not true."""

import pytest

from inference.classifier import load_classifier
from inference.hardware import processor_capabilities
from inference.model_cache import ModelCache
from inference.networks import ModelError, resolve_network
from inference.openvino_export import ensure_exported, openvino_core
from inference.precision import BFLOAT16_NATIVE, Precision, openvino_precision, tensorflow_precision
from inference.tensorflow_engine import TensorflowEngine, import_tensorflow
from tests.conftest import MakeSettings

# What OpenVINO lists for three kinds of processors.
AVX2 = ["FP32", "INT8", "BIN", "EXPORT_IMPORT"]
AVX512 = ["WINOGRAD", *AVX2]
AMX = ["BF16", "WINOGRAD", "FP32", "FP16", "INT8", "BIN", "EXPORT_IMPORT"]
# Such as Sierra Forest: it loads bfloat16, but multiplies in float32.
AVX2_CONVERTS = ["BF16", "FP32", "FP16", "INT8", "BIN", "EXPORT_IMPORT"]


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [(AVX2, "float32"), (AVX512, "float32"), (AVX2_CONVERTS, "float32"), (AMX, "bfloat16")],
)
def test_auto_is_bfloat16_only_on_a_processor_that_computes_in_it(capabilities: list[str], precision: str) -> None:
    assert openvino_precision("auto", capabilities) == precision


@pytest.mark.parametrize("capabilities", [AVX2, AVX512, AVX2_CONVERTS, AMX])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_float32_and_int8_are_computed_on_every_processor(capabilities: list[str], precision: str) -> None:
    assert openvino_precision(precision, capabilities) == precision


def test_bfloat16_without_instructions_for_it_is_refused() -> None:
    with pytest.raises(ModelError, match="has no instructions for it; use auto or float32"):
        openvino_precision("bfloat16", AVX2)


@pytest.mark.parametrize(("capabilities", "warned"), [(AVX512, True), (AVX2_CONVERTS, True), (AMX, False)])
def test_bfloat16_that_is_only_emulated_is_computed_with_a_warning(
    capabilities: list[str], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "service")
    assert openvino_precision("bfloat16", capabilities) == Precision.BFLOAT16
    assert ("precision_emulated" in caplog.text) == warned


@pytest.mark.parametrize(
    ("setting", "compute_capability", "precision"),
    [
        ("auto", None, "float32"),
        ("auto", (7, 5), "float32"),
        ("auto", (8, 0), "tf32"),
        ("auto", (12, 0), "tf32"),
        ("float32", (9, 0), "float32"),
    ],
)
def test_auto_is_tf32_on_gpus_that_have_it(
    setting: str, compute_capability: tuple[int, int] | None, precision: str
) -> None:
    assert tensorflow_precision(setting, compute_capability) == precision


def test_auto_is_bfloat16_where_openvino_would_choose_it_by_itself(colour_settings: MakeSettings) -> None:
    settings = colour_settings()
    with ModelCache(settings) as cache:
        file = ensure_exported(resolve_network(settings), settings, cache)
    own_choice = openvino_core().compile_model(file, "CPU").get_property("INFERENCE_PRECISION_HINT")
    chosen = openvino_precision("auto", processor_capabilities())
    assert (chosen == Precision.BFLOAT16) == (own_choice.get_type_name() == "bf16")


@pytest.mark.parametrize(("precision", "allowed"), [(Precision.TF32, True), (Precision.FLOAT32, False)])
def test_tensorflow_uses_tf32_only_if_that_is_the_precision(
    precision: Precision, allowed: bool, colour_settings: MakeSettings
) -> None:
    settings = colour_settings()
    TensorflowEngine(resolve_network(settings), settings, precision)
    assert import_tensorflow().config.experimental.tensor_float_32_execution_enabled() == allowed


def test_a_worker_never_claims_a_precision_in_which_openvino_does_not_compute(
    colour_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = processor_capabilities()
    monkeypatch.setattr("inference.classifier.processor_capabilities", lambda: AMX)
    if BFLOAT16_NATIVE.intersection(real):
        assert load_classifier(colour_settings(precision="auto")).precision == "bfloat16"
    else:
        with pytest.raises(ModelError, match="OpenVINO computes in f32 here, not in bf16; use float32"):
            load_classifier(colour_settings(precision="auto"))
