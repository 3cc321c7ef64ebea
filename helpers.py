"""Pixels: the shape that a network takes, how a picture is cropped to it, pixels as text; and lists as text."""

import binascii
from typing import Literal, NamedTuple

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

    def __str__(self) -> str:
        """Describe it, for the log and comparisons: `224 x 224 x 3`, height first."""
        return " x ".join(map(str, self))


class Crop(NamedTuple):
    """How a picture is fitted to the network's shape.

    Attributes:
        mode: `center` keeps the aspect ratio and cuts the middle, `squash` takes the whole picture.
        pct: with `center`, the share of the picture's shorter side that remains.
    """

    mode: Literal["center", "squash"]
    pct: float = 1.0

    def __str__(self) -> str:
        """Describe it, for the log and comparisons: `center 0.875` or `squash`."""
        return f"center {self.pct:g}" if self.mode == "center" else self.mode


class WrongSize(ValueError):
    """Pixels are of another picture's size."""


def split_list(text: str) -> list[str]:
    """Return what a setting lists, separated by commas, spaces or ends of lines."""
    return text.replace(",", " ").split()


def encode_pixels(pixels: bytes) -> str:
    """Return pixels as base64, fit for JSON: 4 characters for 3 bytes."""
    return pybase64.b64encode_as_string(pixels)


def decode_pixels(text: str, size: int) -> bytes:
    """Return the pixels that `encode_pixels` encoded.

    Raises:
        WrongSize: they are not `size` bytes.
        ValueError: the text is not base64.
    """
    try:
        pixels = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {error}") from error
    if len(pixels) != size:
        raise WrongSize(f"{len(pixels)} bytes of pixels instead of {size}")
    return pixels
