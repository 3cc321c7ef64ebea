"""A network as a TensorFlow graph: what the engine `tensorflow` runs and what is exported to OpenVINO."""

import os
from typing import Any

from networks import Network, build_graph
from settings import Settings


def import_tensorflow() -> Any:
    """Return the module, set up for full precision; its import takes seconds, hence only when it is needed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow

    # Full precision, also on GPUs that would take a shorter format for it.
    tensorflow.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tensorflow.config.list_physical_devices("GPU"):
        # Take memory as it is needed, so that several workers can share a GPU.
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    return tensorflow


def trace(network: Network, settings: Settings) -> Any:
    """Return the network as one TensorFlow graph: uint8 pixels (n, height, width, channels) to (n, classes).

    Raises:
        ModelError: the network cannot be loaded, or does not fit the settings.
    """
    tensorflow = import_tensorflow()
    model = build_graph(network, settings)
    shape = (None, settings.image_height, settings.image_width, settings.image_chans)
    signature = [tensorflow.TensorSpec(shape, tensorflow.uint8, name="pixels")]
    function = tensorflow.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    return function.get_concrete_function()
