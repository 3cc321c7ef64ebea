"""Decodes a picture and fits it to what the network takes: upright, cropped, in sRGB, and no larger than necessary.

docs/pictures.md says what is done to a picture, and why.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from errors import BadImage, ImageTooLarge, ServiceError, UnsupportedFormat
from helpers import Crop, ImageShape
from pictures.colours import to_resizable, to_srgb
from pictures.formats import HEIC, accepted_formats, load_formats, sniff_format
from pictures.framing import Box, crop_box
from pictures.limits import Limits, check_exif, check_header

if TYPE_CHECKING:
    from settings import Settings

# Incremented whenever an upload decodes to other pixels than before, so that cached results are not reused.
DECODING_VERSION = 2

# A JPEG that is scaled while it is decoded keeps at least so many times the pixels that the network takes in each
# direction, as with the parameter of that name of Pillow's `thumbnail`, whose documentation calls 2 "very close" to
# decoding in full. Measured in docs/pictures.md.
REDUCING_GAP = 2

# How a picture with an EXIF orientation becomes upright: CIPA DC-008 (Exif 2.32), section 4.6.4, tag 274.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# These lie on their side.
_SIDEWAYS = (5, 6, 7, 8)
# Pillow and libheif turn these while they load them. What the Exif of HEIC says repeats what its container says.
_LOADED_UPRIGHT = ("TIFF", HEIC)

# A file's content.
Upload = bytes | bytearray


class DecodingOptions(NamedTuple):
    """Everything that decides which pictures are accepted, and which pixels they become."""

    shape: ImageShape
    crop: Crop
    limits: Limits

    @classmethod
    def of(cls, settings: "Settings") -> "DecodingOptions":
        """Return the options that the settings ask for."""
        return cls(settings.image_shape, settings.crop, Limits(settings.max_image_pixels, settings.max_image_side))


def decode_image(upload: bytes, options: DecodingOptions) -> bytes:
    """Decode the first frame of a picture and fit it to what the network takes.

    With `squash`, a picture that is upright, opaque and without a colour profile becomes exactly what Pillow's
    `convert("RGB").resize(size)` makes of it, which is how the reference answers of ResNet50 were made.

    Args:
        upload: the file's content.
        options: shape, crop and limits.

    Returns:
        height x width x channels uint8 pixels in C order.

    Raises:
        BadImage: this is no picture, or a damaged one.
        ImageTooLarge: it exceeds the limits.
        UnsupportedFormat: it is a picture in a format that the service does not accept.
        MemoryError: there is not enough memory.
    """
    return fit_image(open_image(upload, options.limits), options)


def open_image(upload: Upload, limits: Limits) -> Image.Image:
    """Read the header only, and check the limits; see `decode_image`."""
    image = _open(upload, limits)
    with _blaming(f"The {image.format} picture"):
        check_header(image, upload, limits)
    return image


def fit_image(image: Image.Image, options: DecodingOptions) -> bytes:
    """Decode an open picture and fit it to what the network takes; see `decode_image`."""
    with _blaming(f"The {image.format} picture"):
        return _fit(image, options).tobytes()


@contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Translate what Pillow's readers and decoders raise on damaged data, which is almost anything."""
    try:
        yield
    except (ServiceError, MemoryError):
        raise
    except Exception as error:
        raise BadImage(f"{what} is damaged or incomplete: {error}") from error


def _open(upload: Upload, limits: Limits) -> Image.Image:
    if not upload:
        raise BadImage("The picture is empty.")
    check_exif(upload)
    load_formats()
    with _blaming("The picture's header"):
        try:
            return Image.open(io.BytesIO(upload), formats=accepted_formats())
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            detail = f"The picture has too many pixels; at most {limits.max_pixels} are accepted."
            raise ImageTooLarge(detail) from error
        except UnidentifiedImageError as error:
            raise _unreadable(upload) from error


def _unreadable(upload: Upload) -> ServiceError:
    """Say what the upload is, as far as its first bytes tell."""
    accepted = ", ".join(accepted_formats())
    name = sniff_format(upload)
    if name is None:
        return BadImage(f"This is not a picture that can be read; send one of {accepted}.")
    if name in accepted_formats():
        return BadImage(f"The header of this {name} picture is damaged or incomplete.")
    return UnsupportedFormat(f"{name} pictures are not accepted; send one of {accepted}.")


def _fit(image: Image.Image, options: DecodingOptions) -> Image.Image:
    """Crop and resize in one step, as the picture is stored, then turn the small result upright."""
    shape, crop = options.shape, options.crop
    if not isinstance(image, JpegImageFile):
        image.load()  # first, since a PNG may have its Exif behind the pixels
    orientation = _orientation(image)
    stored = _as_stored(shape, orientation)
    box = crop_box(*image.size, stored, crop)
    if isinstance(image, JpegImageFile):
        if crop.mode == "center":
            box = _scale_while_decoding(image, box, stored)
        image.load()
    profile = image.info.get("icc_profile")
    image, box = _cut_out(image, box, stored)
    small = to_resizable(image, shape.channels).resize(stored.size, Image.Resampling.BICUBIC, box)
    small = to_srgb(small, profile, shape.channels)
    return small.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else small


def _orientation(image: Image.Image) -> int:
    if image.format in _LOADED_UPRIGHT:
        return 1
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Exif that cannot be read is ignored, as browsers do; Pillow raises almost anything
        return 1
    return orientation if isinstance(orientation, int) else 1


def _as_stored(shape: ImageShape, orientation: int) -> ImageShape:
    """Return the shape before the picture is turned upright."""
    return ImageShape(shape.width, shape.height, shape.channels) if orientation in _SIDEWAYS else shape


def _scale_while_decoding(image: JpegImageFile, box: Box, shape: ImageShape) -> Box:
    """Have a JPEG decoded at 1/2, 1/4 or 1/8, but not too small; return the box in that picture."""
    width, height = image.size
    needed_width = math.ceil(REDUCING_GAP * width * shape.width / (box.right - box.left))
    needed_height = math.ceil(REDUCING_GAP * height * shape.height / (box.lower - box.upper))
    drafted = image.draft(None, (needed_width, needed_height))
    if drafted is None:
        return box
    # What Pillow returns is the whole picture in the scaled one, whose last pixels may only be filled in part.
    _mode, (_left, _upper, right, lower) = drafted
    return box.scaled(right / width, lower / height)


def _cut_out(image: Image.Image, box: Box, shape: ImageShape) -> tuple[Image.Image, Box]:
    """Drop what the resize does not read, before an expensive conversion of the rest to another mode."""
    if image.mode in ("L", "RGB", "RGBA"):
        return image, box
    x, y = _margin(box.right - box.left, shape.width), _margin(box.lower - box.upper, shape.height)
    left, upper = max(0, int(box.left) - x), max(0, int(box.upper) - y)
    right, lower = min(image.width, math.ceil(box.right) + x), min(image.height, math.ceil(box.lower) + y)
    return image.crop((left, upper, right, lower)), box.moved(-left, -upper)


def _margin(length: float, pixels: int) -> int:
    """Return how far outside of the box the bicubic filter reads: two pixels of the larger of both scales."""
    return math.ceil(2 * max(1.0, length / pixels)) + 1
