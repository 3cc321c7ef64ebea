"""The formats that the service accepts, and how other files are recognized by their first bytes."""

import re
from functools import cache

from PIL import Image, features

HEIC = "HEIC"
_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]
# A file whose main or other brands are those of HEVC pictures: ISO/IEC 23008-12, annex B.4.
_HEIC_HEAD = re.compile(rb".{4}ftyp(?:he|m[is]f1.{4}(?:.{4}){0,16}?he)", re.DOTALL)
# What people send besides pictures that Pillow knows, by how such a file begins.
_OTHER_FORMATS = {
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "PDF": re.compile(rb"%PDF-"),
    "SVG": re.compile(rb"\s*<(?:svg|[?!].*<svg)", re.DOTALL),
}
_HEAD_BYTES = 1000
# What Pillow hands to the checks of its plugins.
_PREFIX_BYTES = 16


def accepted_formats() -> list[str]:
    """Return the accepted formats, by Pillow's names; AVIF depends on how Pillow was built.

    AVIF is before HEIC, since files of either may begin with the same brand, and Pillow tries them in this order.
    """
    return [*_FORMATS, *(["AVIF"] if features.check("avif") else []), HEIC]


@cache
def load_formats() -> None:
    """Have Pillow open all accepted formats.

    Only what decodes pictures calls it: a web server itself needs no libheif.
    """
    from pictures import heic

    Image.init()  # first, so that AVIF is asked before HEIC
    heic.register()


def sniff_format(upload: bytes | bytearray) -> str | None:
    """Name a file's format by its first bytes, without decoding anything; None for an unknown one."""
    Image.init()
    head = bytes(upload[:_HEAD_BYTES])
    if _HEIC_HEAD.match(head):
        return HEIC  # Pillow's check of AVIF is content with the general brands
    prefix = head[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0")
    known = (name for name, (_factory, accepts) in Image.OPEN.items() if accepts and accepts(prefix) is True)
    others = (name for name, begins in _OTHER_FORMATS.items() if begins.match(head))
    return next(known, None) or next(others, None)
