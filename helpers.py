"""Pure functions on pixels: how many bytes a picture has, and its bytes as text and back."""

import binascii
from typing import NamedTuple

import pybase64


class ImageShape(NamedTuple):
    """The shape of a picture as the network takes it; the order is NumPy's."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, the order in which Pillow takes them."""
        return self.width, self.height

    @property
    def num_bytes(self) -> int:
        """The number of bytes of uint8 pixels."""
        return self.height * self.width * self.channels


def encode_pixels(pixels: bytes) -> str:
    """Return pixels as base64, fit for JSON: 4 characters for 3 bytes."""
    return pybase64.b64encode_as_string(pixels)


def decode_pixels(text: str, size: int) -> bytes:
    """Return the pixels that `encode_pixels` encoded.

    Raises:
        ValueError: the text is not base64, or not of `size` bytes.
    """
    try:
        pixels = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {error}") from error
    if len(pixels) != size:
        raise ValueError(f"{len(pixels)} bytes of pixels instead of {size}")
    return pixels
