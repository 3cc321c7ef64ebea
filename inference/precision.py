"""The setting PRECISION: the numbers in which a network is computed, given what the machine computes natively."""

from collections.abc import Collection
from enum import StrEnum

from inference.networks import ModelError
from logger import log

# What OpenVINO lists among a processor's capabilities (src/plugins/intel_cpu/src/plugin.cpp): BF16 where there are
# instructions for it, which may only convert; WINOGRAD where there is AVX-512. With both, OpenVINO's own default is
# bfloat16 (config.cpp). With one of them it emulates bfloat16 if asked to, without any it ignores that it is asked.
BFLOAT16_NATIVE = {"BF16", "WINOGRAD"}
# NVIDIA's Ampere, the first GPUs with TF32: https://docs.nvidia.com/cuda/cuda-c-programming-guide, "Compute Capability
# 8.x".
FIRST_TF32 = (8, 0)


class Precision(StrEnum):
    """The numbers in which a network is computed."""

    FLOAT32 = "float32"
    TF32 = "tf32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


# Those that OpenVINO alone computes in.
OPENVINO_ONLY = (Precision.BFLOAT16, Precision.INT8)


def openvino_precision(setting: str, capabilities: Collection[str]) -> Precision:
    """Return the precision for OpenVINO; where bfloat16 is slower than float32, the log warns.

    Args:
        setting: PRECISION.
        capabilities: of the processor, as OpenVINO names them.

    Raises:
        ModelError: OpenVINO does not compute in bfloat16 on this processor.
    """
    found = BFLOAT16_NATIVE.intersection(capabilities)
    if setting == "auto":
        return Precision.BFLOAT16 if found == BFLOAT16_NATIVE else Precision.FLOAT32
    precision = Precision(setting)
    if precision == Precision.BFLOAT16 and not found:
        raise ModelError("PRECISION=bfloat16: this processor has no instructions for it; use auto or float32")
    if precision == Precision.BFLOAT16 and found != BFLOAT16_NATIVE:
        note = "This processor only emulates bfloat16, so float32 is faster."
        log("precision_emulated", level="warning", precision=precision, note=note)
    return precision


def tensorflow_precision(setting: str, compute_capability: tuple[int, int] | None) -> Precision:
    """Return the precision for TensorFlow.

    Args:
        setting: PRECISION, none of OPENVINO_ONLY.
        compute_capability: of the GPU, as NVIDIA counts it; None without an NVIDIA GPU.
    """
    if setting == "auto" and compute_capability and compute_capability >= FIRST_TF32:
        return Precision.TF32
    return Precision.FLOAT32
