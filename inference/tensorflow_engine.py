"""A network on TensorFlow: computed there, or written as a frozen graph for other engines."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers import ImageShape
from inference.engine import Pixels, Probabilities, Run
from inference.graph import build_graph
from inference.networks import Network, one_line_errors
from inference.precision import Precision
from settings import Settings

# Where float32 is float32, and never TF32.
PROCESSOR = "/CPU:0"


class TensorflowEngine:
    """Runs one graph for all batch sizes.

    Args:
        network: to compute.
        settings: the shape of a picture.
        precision: TF32 or float32; it holds for the whole process.

    Raises:
        ModelError: the network cannot be loaded or computed, or does not fit the settings.
    """

    name = "tensorflow"
    # While one batch is computed, the next one is read and unpacked.
    concurrency = 2
    streams = 1

    def __init__(self, network: Network, settings: Settings, precision: Precision) -> None:
        self.shape: ImageShape = settings.image_shape
        allow = import_tensorflow().config.experimental.enable_tensor_float_32_execution
        allow(precision == Precision.TF32)
        self._function = trace(network, settings)

    def __call__(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities (n, classes) of the pictures in pixels (n, height, width, channels)."""
        return run_function(self._function, pixels)

    def release_memory(self) -> None:
        """Do nothing: TensorFlow keeps its memory for the next batch."""


def float32_on_processor(network: Network, settings: Settings) -> Run:
    """Return the network in float32, whatever a GPU computes in: on the processor, to which TF32 does not apply.

    Raises:
        ModelError: the network cannot be loaded or computed, or does not fit the settings.
    """
    tensorflow = import_tensorflow()
    with tensorflow.device(PROCESSOR):
        function = trace(network, settings)

    def run(pixels: Pixels) -> Probabilities:
        with tensorflow.device(PROCESSOR):
            return run_function(function, pixels)

    return run


def import_tensorflow() -> ModuleType:
    """Return the module; its import takes seconds, so it happens only when needed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow

    for gpu in tensorflow.config.list_physical_devices("GPU"):
        # Allocate memory as needed, so that several workers can share a GPU.
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    module: ModuleType = tensorflow
    return module


def trace(network: Network, settings: Settings) -> Any:
    """Return the network as one function: uint8 pixels (n, height, width, channels) to probabilities (n, classes).

    Raises:
        ModelError: the network cannot be loaded or computed, or does not fit the settings.
    """
    tensorflow = import_tensorflow()
    model = build_graph(network, settings)
    signature = [tensorflow.TensorSpec((None, *settings.image_shape), tensorflow.uint8, name="pixels")]
    # Keras has traced the model's Python code already, so there is nothing left for AutoGraph to rewrite.
    function = tensorflow.function(
        lambda pixels: model(pixels, training=False), input_signature=signature, autograph=False
    )
    with one_line_errors(f"{network.file} cannot be computed"):
        return function.get_concrete_function()


def run_function(function: Any, pixels: Pixels) -> Probabilities:
    """Return what a traced network computes."""
    import tensorflow

    probabilities: Probabilities = function(tensorflow.constant(pixels)).numpy()
    return probabilities


def save_frozen_graph(function: Any, file: Path) -> None:
    """Write a traced network, its weights included, as one TensorFlow graph."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    file.write_bytes(convert_variables_to_constants_v2(function).graph.as_graph_def().SerializeToString())
