"""The costliest pictures within the limits: small files whose pixels, or whose headers, take long to read."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial

from PIL import Image

from benchmarks.costly_headers import COSTLY_HEADERS, PNG_SIGNATURE, png_chunk

# The largest square within MAX_IMAGE_PIXELS, and the largest that is allowed for a run-length encoded BMP.
SIDE, RUN_LENGTH_SIDE = 7071, 707
COLOUR = (200, 10, 10)


def costly_pictures() -> list[bytes]:
    """Return all of them."""
    return [make() for make in (COSTLY_PIXELS | COSTLY_HEADERS).values()]


def png_of_16_bits() -> bytes:
    """Return a PNG of 16-bit RGBA, eight bytes a pixel, which Pillow cannot write."""
    return png_of_zeros(SIDE, bits=16, colour_type=6, row_bytes=8 * SIDE)


def png_of_zeros(side: int, bits: int, colour_type: int, row_bytes: int) -> bytes:
    """Return a small PNG of many pixels, written row by row: w3.org/TR/png-3, 11.2.1."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + row_bytes)
    rows = b"".join(compressor.compress(row) for _ in range(side)) + compressor.flush()
    header = struct.pack(">IIBBBBB", side, side, bits, colour_type, 0, 0, 0)
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND")


def false_avif(real_side: int, claimed_side: int) -> bytes:
    """Return an AVIF whose container claims another size; it is decoded, and then scaled to what was claimed."""
    upload = bytearray(_saved("RGB", "AVIF", real_side, speed=10))
    # ISO/IEC 23008-12, 6.5.3: version and flags, width, height.
    struct.pack_into(">II", upload, upload.index(b"ispe") + 8, claimed_side, claimed_side)
    return bytes(upload)


def run_length_bmp(side: int) -> bytes:
    """Return a BMP whose runs have one pixel each: microsoft.com, "Bitmap Compression"."""
    data = (b"\x01\x01" * side + b"\0\0") * side + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    palette = bytes(4 * 256)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


def _saved(
    mode: str, format_name: str, side: int = SIDE, colour: tuple[int, int, int] = COLOUR, **options: object
) -> bytes:
    image = Image.new("RGB", (side, side), colour).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


# Names and factories; of 50 million pixels where the format allows.
COSTLY_PIXELS: dict[str, Callable[[], bytes]] = {
    "PNG": partial(_saved, "RGB", "PNG", compress_level=9),
    "PNG with alpha": partial(_saved, "RGBA", "PNG", compress_level=9),
    "PNG with alpha, 16 bits": png_of_16_bits,
    "WebP": partial(_saved, "RGB", "WEBP", lossless=True, method=0),
    "GIF": partial(_saved, "P", "GIF"),
    "AVIF": partial(_saved, "RGB", "AVIF", speed=10),
    "AVIF that claims more than its 64 x 64": partial(false_avif, 64, SIDE),
    "AVIF that claims 64 x 64 only": partial(false_avif, SIDE, 64),
    "progressive JPEG": partial(_saved, "RGB", "JPEG", progressive=True, quality=50),
    "progressive JPEG in CMYK": partial(_saved, "CMYK", "JPEG", progressive=True, quality=50),
    "TIFF, Group 4": partial(_saved, "1", "TIFF", colour=(0, 0, 0), compression="group4"),
    f"run-length encoded BMP of {RUN_LENGTH_SIDE} x {RUN_LENGTH_SIDE}": partial(run_length_bmp, RUN_LENGTH_SIDE),
}
