"""Pure functions on pictures: an upload's bytes to the pixels that the network takes, and pixels to text and back."""

import binascii
import io
import math
import re

import pybase64
from PIL import Image, UnidentifiedImageError, features
from PIL.TiffImagePlugin import TiffImageFile

from errors import BadImage, ImageTooLarge, ServiceError, UnsupportedFormat

# Raised whenever an upload becomes other pixels than before, so that answers to the old ones are not given any more.
DECODING_VERSION = 1
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]
_MODES = {1: "L", 3: "RGB"}
# What people send besides pictures that Pillow knows, by how such a file begins.
_OTHER_FORMATS = {
    "HEIC": re.compile(rb".{4}ftyphe[iv]", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "PDF": re.compile(rb"%PDF-"),
    "SVG": re.compile(rb"\s*<(?:svg|[?!].*<svg)", re.DOTALL),
}
# A JPEG picture may have any number of scans, each at the price of going through all of it once more, and of segments
# of Exif, each at the price of copying those before it. Files too short for a harmful number are not searched: with
# less than 256 KB, copying Exif takes 0.3 s at most.
_MAX_SCANS = 100
_SCAN_BYTES = 10  # of a scan's header, for one component: ITU-T T.81, B.2.3
_MAX_EXIF_SEGMENTS = 1000
_MANY_EXIF_BYTES = 256 * 1024
# Numbers of TIFF's tags.
_TILE_WIDTH, _TILE_LENGTH = 322, 323


def image_formats() -> list[str]:
    """Return the formats that the service takes, by Pillow's names; AVIF depends on how Pillow was built."""
    return [*_FORMATS, "AVIF"] if features.check("avif") else _FORMATS


def image_to_pixels(upload: bytes, width: int, height: int, channels: int, max_pixels: int) -> bytes:
    """Decode a picture and resize it, exactly as the reference answers of ResNet50 were made.

    That is: the first frame, any EXIF orientation ignored, Pillow's default filter, the aspect ratio not kept.

    Args:
        upload: the file's content.
        width: of the picture that the network takes, in pixels.
        height: of that picture.
        channels: 3 for RGB, 1 for gray.
        max_pixels: the largest picture that is decoded, as width x height of its first frame.

    Returns:
        height x width x channels bytes in C order.

    Raises:
        BadImage: this is no picture, or a damaged one.
        ImageTooLarge: it has more than `max_pixels`.
        UnsupportedFormat: it is a picture in a format that the service does not take.
    """
    image = _open(upload, max_pixels)
    try:
        _check_size(image, upload, max_pixels)
        image.load()
        return _to_mode(image, _MODES[channels]).resize((width, height)).tobytes()
    except ImageTooLarge:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on damaged data
        raise BadImage(f"The {image.format} picture is damaged or incomplete: {error}") from error


def _open(upload: bytes, max_pixels: int) -> Image.Image:
    """Read the header only."""
    if not upload:
        raise BadImage("The picture is empty.")
    if len(upload) > _MANY_EXIF_BYTES and upload.count(b"Exif\0\0") > _MAX_EXIF_SEGMENTS:
        raise BadImage(f"The picture has more than {_MAX_EXIF_SEGMENTS} Exif segments.")
    try:
        return Image.open(io.BytesIO(upload), formats=image_formats())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"The picture has too many pixels; at most {max_pixels} are taken.") from error
    except UnidentifiedImageError as error:
        raise _unreadable(upload) from error
    except Exception as error:  # and so do the readers of its headers
        raise BadImage(f"The picture's header is damaged or incomplete: {error}") from error


def _unreadable(upload: bytes) -> ServiceError:
    """Say what the upload is instead of a picture that can be read, as far as its first bytes tell."""
    taken = ", ".join(image_formats())
    name = _format_of(upload)
    if name is None:
        return BadImage(f"This is not a picture that can be read; send one of {taken}.")
    if name in image_formats():
        return BadImage(f"The header of this {name} picture is damaged or incomplete.")
    return UnsupportedFormat(f"{name} pictures are not taken; send one of {taken}.")


def _format_of(upload: bytes) -> str | None:
    """Name a format by its first bytes, without decoding anything."""
    Image.init()
    head = upload[:1000]
    prefix = head[:16].ljust(16, b"\0")
    known = (name for name, (_factory, accepts) in Image.OPEN.items() if accepts and accepts(prefix) is True)
    others = (name for name, begins in _OTHER_FORMATS.items() if begins.match(head))
    return next(known, None) or next(others, None)


def _check_size(image: Image.Image, upload: bytes, max_pixels: int) -> None:
    """Refuse what would cost too much memory or time, before anything is decoded."""
    if image.width * image.height > max_pixels:
        raise ImageTooLarge(f"The picture has {image.width} x {image.height} pixels; at most {max_pixels} are taken.")
    if isinstance(image, TiffImageFile):
        # A tile is decoded as a whole, even one that is larger than its picture.
        sides = (image.tag_v2.get(tag) for tag in (_TILE_WIDTH, _TILE_LENGTH))
        if math.prod(side for side in sides if isinstance(side, int)) > max_pixels:
            raise ImageTooLarge(f"The picture's tiles have too many pixels; at most {max_pixels} are taken.")
    if image.format in ("JPEG", "MPO"):
        _check_scans(image, upload, max_pixels)


def _check_scans(image: Image.Image, upload: bytes, max_pixels: int) -> None:
    most = max_pixels * _MAX_SCANS // (image.width * image.height)
    # A file that follows the picture, such as a phone's video, has the bytes of a scan a few times by chance.
    if len(upload) > most * _SCAN_BYTES and (scans := upload.count(b"\xff\xda")) > most:
        raise ImageTooLarge(f"The picture has {scans} scans, too many for {image.width} x {image.height} pixels.")


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling 16 bits to 8.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def encode_pixels(pixels: bytes) -> str:
    """Return pixels as base64, fit for JSON: 4 characters for 3 bytes."""
    return pybase64.b64encode_as_string(pixels)


def decode_pixels(text: str, size: int) -> bytes:
    """Return the pixels that `encode_pixels` made into text.

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
