"""The costliest pictures within the limits: small files that take long to decode."""

import io
import struct

from PIL import Image

# The largest square within MAX_IMAGE_PIXELS, and the largest that is allowed for a run-length encoded BMP.
SIDE, RUN_LENGTH_SIDE = 7071, 707
COLOUR = (200, 10, 10)


def costly_pictures() -> list[bytes]:
    """Return them, each of 50 million pixels where the format allows."""
    image = Image.new("RGB", (SIDE, SIDE), COLOUR)
    return [
        _saved(image, "PNG", compress_level=9),
        _saved(image.convert("RGBA"), "PNG", compress_level=9),
        _saved(image, "WEBP", lossless=True, method=0),
        _saved(image.convert("P"), "GIF"),
        _saved(image, "JPEG", progressive=True, quality=50),
        _saved(Image.new("1", (SIDE, SIDE)), "TIFF", compression="group4"),
        run_length_bmp(RUN_LENGTH_SIDE),
    ]


def run_length_bmp(side: int) -> bytes:
    """Return a BMP whose runs have one pixel each: microsoft.com, "Bitmap Compression"."""
    data = (b"\x01\x01" * side + b"\0\0") * side + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    palette = bytes(4 * 256)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


def _saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()
