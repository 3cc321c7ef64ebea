"""What this machine can compute with."""

from pathlib import Path

from inference.openvino_export import openvino_core
from inference.tensorflow_engine import import_tensorflow


def has_gpu() -> bool:
    """Ask TensorFlow, but only where a driver's device file justifies the seconds of its import."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), Path("/dev/kfd"), Path("/dev/dxg")]
    if not any(device.exists() for device in devices):
        return False
    return bool(import_tensorflow().config.list_physical_devices("GPU"))


def gpu_compute_capability() -> tuple[int, int] | None:
    """Return the compute capability of the GPU that TensorFlow uses; None without an NVIDIA GPU."""
    config = import_tensorflow().config
    gpus = config.list_physical_devices("GPU")
    if not gpus:
        return None
    capability: tuple[int, int] | None = config.experimental.get_device_details(gpus[0]).get("compute_capability")
    return capability


def processor_capabilities() -> list[str]:
    """Return what the processor can compute, as OpenVINO names it."""
    capabilities: list[str] = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return capabilities
