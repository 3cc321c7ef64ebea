"""What is refused before decoding, because it would cost too much memory or time."""

import math
from typing import NamedTuple

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from errors import BadImage, ImageTooLarge

# A JPEG may have any number of scans, each of which costs another pass over the picture, and of Exif segments, each of
# which costs a copy of those before it. Files too short for a harmful number are not searched: below 256 KB, copying
# Exif takes 0.3 s at most.
_MAX_SCANS = 100
_SCAN_BYTES = 10  # of a scan's header, for one component: ITU-T T.81, B.2.3
_MAX_EXIF_SEGMENTS = 1000
_MANY_EXIF_BYTES = 256 * 1024
# Pillow decodes run-length encoded BMP in pure Python, a hundred times as slowly as other pictures. These are values of
# biCompression: https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader.
_RUN_LENGTHS = (1, 2)
_PYTHON_COST = 100
# A JPEG that is scaled while it is decoded is several times as fast, an AVIF several times as slow. Photographs of
# 12 megapixels take 0.9 to 1.3 times as long from HEIC as from PNG, with 10 bits a channel 2.3 times.
_SCALED_SHARE = 4
_COSTS = {"AVIF": 4, "HEIC": 2}
# TIFF tags.
_TILE_WIDTH, _TILE_LENGTH = 322, 323


class Limits(NamedTuple):
    """The largest picture that is decoded: width x height of its first frame or a tile of it, and its longer side."""

    max_pixels: int
    max_side: int


def raise_pillows_limit(max_pixels: int) -> None:
    """Allow Pillow as many pixels as MAX_IMAGE_PIXELS.

    Our own limit is the exact one. Pillow's stays behind it, since some of its header readers allocate pixels.
    """
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)


def check_exif(upload: bytes | bytearray) -> None:
    """Refuse files with too many Exif segments, before even the header is read.

    Raises:
        BadImage: there are too many.
    """
    if len(upload) > _MANY_EXIF_BYTES and upload.count(b"Exif\0\0") > _MAX_EXIF_SEGMENTS:
        raise BadImage(f"The picture has more than {_MAX_EXIF_SEGMENTS} Exif segments.")


def check_header(image: Image.Image, upload: bytes | bytearray, limits: Limits) -> None:
    """Refuse pictures by what their headers say, before anything is decoded.

    Raises:
        ImageTooLarge: a side is too long, the picture or a tile has too many pixels, or there are too many scans.
    """
    size = f"{image.width} x {image.height}"
    if max(image.size) > limits.max_side:
        raise ImageTooLarge(f"The picture has {size} pixels; a side may have at most {limits.max_side}.")
    if image.width * image.height > limits.max_pixels:
        raise ImageTooLarge(f"The picture has {size} pixels; at most {limits.max_pixels} are accepted.")
    if _is_run_length(image) and image.width * image.height > limits.max_pixels // _PYTHON_COST:
        raise ImageTooLarge(f"The picture has {size} pixels, too many for a run-length encoded BMP.")
    if isinstance(image, TiffImageFile):
        _check_tiles(image, limits.max_pixels)
    if image.format in ("JPEG", "MPO"):
        _check_scans(image, upload, limits.max_pixels)


def cost(image: Image.Image) -> int:
    """Estimate from the header what decoding costs: as many pixels as Pillow decodes from PNG in the same time."""
    pixels = image.width * image.height
    if image.format in ("JPEG", "MPO") and not image.info.get("progressive"):
        return pixels // _SCALED_SHARE
    if _is_run_length(image):
        return pixels * _PYTHON_COST
    return pixels * _COSTS.get(image.format or "", 1)


def _is_run_length(image: Image.Image) -> bool:
    return image.format == "BMP" and image.info.get("compression") in _RUN_LENGTHS


def _check_tiles(image: TiffImageFile, max_pixels: int) -> None:
    # A tile is decoded as a whole, even one that is larger than its picture.
    sides = (image.tag_v2.get(tag) for tag in (_TILE_WIDTH, _TILE_LENGTH))
    if math.prod(side for side in sides if isinstance(side, int)) > max_pixels:
        raise ImageTooLarge(f"The picture's tiles have too many pixels; at most {max_pixels} are accepted.")


def _check_scans(image: Image.Image, upload: bytes | bytearray, max_pixels: int) -> None:
    most = max_pixels * _MAX_SCANS // (image.width * image.height)
    # A file that follows the picture, such as a phone's video, has the bytes of a scan a few times by chance.
    if len(upload) > most * _SCAN_BYTES and (scans := upload.count(b"\xff\xda")) > most:
        raise ImageTooLarge(f"The picture has {scans} scans, too many for {image.width} x {image.height} pixels.")
