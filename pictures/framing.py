"""Which part of a picture the network sees, in timm's terms (https://timm.fast.ai, `crop_mode` and `crop_pct`)."""

from typing import NamedTuple

from helpers import Crop, ImageShape


class Box(NamedTuple):
    """A rectangle in a picture, in pixels; its edges may lie between two pixels."""

    left: float
    upper: float
    right: float
    lower: float

    def scaled(self, x: float, y: float) -> "Box":
        """Return the same rectangle in the picture scaled by these factors."""
        return Box(self.left * x, self.upper * y, self.right * x, self.lower * y)

    def moved(self, x: float, y: float) -> "Box":
        """Return the rectangle moved by so many pixels."""
        return Box(self.left + x, self.upper + y, self.right + x, self.lower + y)


def crop_box(width: int, height: int, shape: ImageShape, crop: Crop) -> Box:
    """Return the part of a picture that is resized to what the network takes.

    `center` scales the picture so that it just covers the network's size divided by `pct`, and cuts the middle;
    `squash` takes the whole picture, whatever its aspect ratio.

    Args:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        shape: of the picture that the network takes.
        crop: mode and share.
    """
    if crop.mode == "squash":
        return Box(0, 0, width, height)
    scale = min(width / shape.width, height / shape.height) * crop.pct
    half_width, half_height = shape.width * scale / 2, shape.height * scale / 2
    return Box(width / 2 - half_width, height / 2 - half_height, width / 2 + half_width, height / 2 + half_height)
