"""Decodes a small picture of every kind, so that all code that decoding needs is loaded.

Pillow imports parts of itself and of the standard library when they are first needed, which a cell could not do.
"""

import io
from collections.abc import Iterator
from contextlib import suppress

from PIL import ExifTags, Image, ImageCms

from errors import ServiceError
from pictures.decoding import DecodingOptions, decode_image
from pictures.formats import accepted_formats
from pictures.heic import encoded

SIZE = (16, 16)
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
TIFF_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "group4", "jpeg")
HEIC_MODES = ("L", "RGB", "RGBA")


def warm_up(options: DecodingOptions) -> None:
    """Decode them, with squash as well as with the crop of the options."""
    for upload in _samples():
        with suppress(ServiceError):
            decode_image(upload, options)


def _samples() -> Iterator[bytes]:
    yield b"no picture"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for format_name in accepted_formats():
        for mode in MODES:
            image = Image.new(mode, SIZE)
            yield from _saved(image, format_name)
            yield from _saved(image, format_name, exif=exif, icc_profile=profile)
            yield from _saved(image, format_name, save_all=True, append_images=[image.copy()])
            yield from _saved(image, format_name, transparency=0)
    for compression in TIFF_COMPRESSIONS:
        for mode in MODES:
            yield from _saved(Image.new(mode, SIZE), "TIFF", compression=compression)
    yield from _saved(Image.new("RGB", (512, 512)), "JPEG", progressive=True)
    for mode in HEIC_MODES:
        yield encoded(Image.new(mode, SIZE), exif=exif, icc_profile=profile)


def _saved(image: Image.Image, format_name: str, **options: object) -> Iterator[bytes]:
    """Yield the picture and its first half; nothing where the format does not know the mode or the options."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, format_name, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    upload = buffer.getvalue()
    yield upload
    yield upload[: len(upload) // 2]
