"""The formats that the service accepts, and how other files are recognized by their first bytes."""

import re

from PIL import Image, features

_FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]
# What people send besides pictures that Pillow knows, by how such a file begins.
_OTHER_FORMATS = {
    "HEIC": re.compile(rb".{4}ftyphe[iv]", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "PDF": re.compile(rb"%PDF-"),
    "SVG": re.compile(rb"\s*<(?:svg|[?!].*<svg)", re.DOTALL),
}
_HEAD_BYTES = 1000
# What Pillow hands to the checks of its plugins.
_PREFIX_BYTES = 16


def accepted_formats() -> list[str]:
    """Return the accepted formats, by Pillow's names; AVIF depends on how Pillow was built."""
    return [*_FORMATS, "AVIF"] if features.check("avif") else _FORMATS


def sniff_format(upload: bytes | bytearray) -> str | None:
    """Name a file's format by its first bytes, without decoding anything; None for an unknown one."""
    Image.init()
    head = bytes(upload[:_HEAD_BYTES])
    prefix = head[:_PREFIX_BYTES].ljust(_PREFIX_BYTES, b"\0")
    known = (name for name, (_factory, accepts) in Image.OPEN.items() if accepts and accepts(prefix) is True)
    others = (name for name, begins in _OTHER_FORMATS.items() if begins.match(head))
    return next(known, None) or next(others, None)
