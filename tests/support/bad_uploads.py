"""A table of invalid and unusual pictures, each with the expected response."""

import re
from collections.abc import Callable
from functools import partial

from benchmarks.costly_headers import COSTLY_HEADERS
from benchmarks.costly_pictures import COSTLY_PIXELS
from pictures.formats import accepted_formats
from tests.conftest import picture
from tests.support import bad_pictures as bad
from tests.support.bad_pictures import noise, one_colour, overwritten

# Name; factory; status; regular expression for the problem's detail, or for the first label of a valid picture.
Picture = tuple[str, Callable[[], bytes], int, str]
# The side of the largest square that has no more than MAX_IMAGE_PIXELS.
SIDE = 7071
AREA = SIDE * SIDE
HUGE = 60_000
DEFLATE, LZW, PACKBITS = 8, 5, 32773


def cut(format: str, length: int) -> bytes:  # noqa: A002
    return noise(format)[:length]


def half(format: str) -> bytes:  # noqa: A002
    upload = noise(format)
    return upload[: len(upload) // 2]


def corrupted(format: str, start: int) -> bytes:  # noqa: A002
    return overwritten(noise(format), start, 64)


NOT_PICTURES: list[Picture] = [
    ("an empty file", bytes, 400, "empty"),
    ("plain text", lambda: b"hello", 400, "not a picture"),
    ("an HTML page", lambda: b"<!DOCTYPE html><html><body>Hello</body></html>", 400, "not a picture"),
    ("JSON", lambda: b'{"image": "castle"}', 400, "not a picture"),
    ("a megabyte of zeros", lambda: bytes(1_000_000), 400, "not a picture"),
    ("SVG", lambda: b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "^SVG .*JPEG"),
    ("SVG without a prologue", lambda: b"\n <svg/>", 415, "SVG"),
    ("PDF", lambda: b"%PDF-1.7\n", 415, "PDF"),
    ("JPEG XL", lambda: b"\xff\x0a\xfa\x1f", 415, "JPEG XL"),
    *((name, partial(picture, "red", name), 415, name) for name in ("PPM", "ICO", "JPEG2000", "ICNS")),
]

DAMAGED: list[Picture] = [
    *((f"the first bytes of a {name}", partial(cut, name, 20), 400, "header") for name in accepted_formats()),
    *((f"half of a {name}", partial(half, name), 400, "damaged or incomplete") for name in accepted_formats()),
    ("a JPEG with a corrupted header", partial(corrupted, "JPEG", 4), 400, "header"),
    ("a PNG with a corrupted header", partial(corrupted, "PNG", 16), 400, "header of this PNG"),
    ("a WebP with a corrupted header", partial(corrupted, "WEBP", 16), 400, "header"),
    ("a GIF with a corrupted header", partial(corrupted, "GIF", 6), 413, "too many pixels"),
    ("a TIFF with a corrupted header", partial(corrupted, "TIFF", 8), 400, "header of this TIFF"),
    ("a BMP with a corrupted header", partial(corrupted, "BMP", 14), 400, "header"),
    ("an AVIF with a corrupted header", partial(corrupted, "AVIF", 16), 400, "header of this AVIF"),
    ("a HEIC with a corrupted header", partial(corrupted, "HEIC", 16), 400, "header of this HEIC"),
    ("a HEIC without pictures", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", 400, "header of this HEIC"),
    ("a PNG with corrupted pixels", partial(corrupted, "PNG", 6000), 400, "PNG picture is damaged"),
    ("a GIF with corrupted pixels", partial(corrupted, "GIF", 1000), 400, "GIF picture is damaged"),
    # Damage that decoders tolerate.
    ("a JPEG with corrupted pixels", partial(corrupted, "JPEG", 1500), 200, ""),
    ("a BMP with corrupted pixels", partial(corrupted, "BMP", 6000), 200, ""),
]

BOMBS: list[Picture] = [
    ("a PNG that claims 50,000 x 50,000", lambda: bad.png(50_000, 50_000), 413, "too many pixels"),
    ("a PNG of zeros one above the limit", lambda: bad.png(SIDE + 1, SIDE, bad.zeros(AREA * 3)), 413, "7072 x 7071"),
    ("a PNG of zeros below the limit", lambda: bad.png(SIDE, SIDE, bad.zeros(AREA * 3 + SIDE)), 200, "black"),
    ("a small PNG with too many zeros", lambda: bad.png(8, 8, bad.zeros(3 * AREA)), 200, "black"),
    ("a PNG with a zTXt bomb", lambda: bad.png(8, 8, b"", (b"zTXt", b"a\0\0" + bad.zeros(AREA))), 400, "too large"),
    ("a PNG with an iTXt bomb", lambda: bad.png(8, 8, b"", (b"iTXt", b"a\0\1\0\0\0" + bad.zeros(AREA))), 400, "large"),
    ("a PNG with an iCCP bomb", lambda: bad.png(8, 8, b"", (b"iCCP", b"a\0\0" + bad.zeros(AREA))), 400, "too large"),
    ("a JPEG that claims 65,500 x 65,500", lambda: bad.jpeg_of_size(65_500, 65_500), 413, "too many pixels"),
    ("a JPEG of 2000 scans", lambda: bad.jpeg_of_scans(2000, 2000), 413, "scans"),
    ("a small JPEG of 500 scans", lambda: bad.jpeg_of_scans(64, 500), 200, "black"),
    ("a JPEG of 20,000 Exif segments", lambda: bad.jpeg_with_exif(*[b"x"] * 20_000), 200, "red"),
    ("a JPEG of 30,000 Exif segments", lambda: bad.jpeg_with_exif(*[b"x"] * 30_000), 400, "Exif segments"),
    ("a GIF's huge canvas for a tiny frame", lambda: bad.gif((HUGE, HUGE), (1, 1)), 413, "too many pixels"),
    ("a GIF's huge frame on a tiny canvas", lambda: bad.gif((1, 1), (HUGE, HUGE)), 413, "too many pixels"),
    ("a GIF's huge frame to dispose of", lambda: bad.gif((1, 1), (HUGE, HUGE), disposal=2), 413, "too many pixels"),
    ("a GIF's large canvas for a tiny frame", lambda: bad.gif((SIDE, SIDE), (1, 1), disposal=2), 200, "black"),
    ("a huge WebP", lambda: bad.webp(16_383, 16_383), 413, "too many pixels"),
    ("a WebP above the limit", lambda: bad.webp(SIDE + 1, SIDE), 413, "7072 x 7071"),
    ("a WebP of 36 bytes below the limit", lambda: bad.webp(SIDE, SIDE), 200, "red"),
    ("a huge TIFF by deflate", lambda: bad.gray_tiff(HUGE, HUGE, bad.zeros(AREA), DEFLATE), 413, "too many pixels"),
    ("a huge TIFF by LZW", lambda: bad.gray_tiff(HUGE, HUGE, b"\x80\0", LZW), 413, "too many pixels"),
    ("a huge TIFF by PackBits", lambda: bad.gray_tiff(HUGE, HUGE, b"\x81\0", PACKBITS), 413, "too many pixels"),
    ("a TIFF below the limit", lambda: bad.gray_tiff(SIDE, SIDE, bad.zeros(AREA), DEFLATE), 200, "black"),
    ("a TIFF's huge tile for a tiny picture", lambda: bad.tiled_tiff(30_000), 413, "tiles have too many pixels"),
    ("a TIFF with a tile slightly larger than it", lambda: bad.tiled_tiff(16), 200, "black"),
    ("a TIFF whose tags share their data", lambda: bad.tiff_of_large_tags(800), 400, "header of this TIFF"),
    ("a TIFF that claims 65,535 tags and has none", lambda: b"II*\0\x08\0\0\0\xff\xff", 400, "header of this TIFF"),
    ("a TIFF that is its own next page", lambda: bad.tiff_in_a_loop(), 200, "black"),
    ("a huge run-length encoded BMP", lambda: bad.bmp(HUGE, HUGE, b"\0\1"), 413, "too many pixels"),
    ("a BMP of 2^31 x 2^31", lambda: bad.bmp(2**31 - 1, 2**31 - 1, b""), 413, "too many pixels"),
    ("a run-length encoded BMP of many pixels", lambda: bad.bmp(SIDE, SIDE, b"\0\2\xff\xff" * 30), 413, "run-length"),
    ("a run-length encoded BMP", lambda: bad.bmp(SIDE // 10, SIDE // 10, b"\0\2\xff\xff" * 3), 200, "black"),
    ("an AVIF that claims 16,000 x 16,000", lambda: bad.avif(16_000, 16_000), 413, "too many pixels"),
    ("an AVIF that claims 60,000 x 60,000", lambda: bad.avif(HUGE, HUGE), 400, "header of this AVIF"),
    ("a HEIC that claims 16,000 x 16,000", lambda: bad.heic(16_000, 16_000), 413, "too many pixels"),
    ("a HEIC that claims 60,000 x 60,000", lambda: bad.heic(HUGE, HUGE), 413, "too many pixels"),
    ("a HEIC that claims more than it has", lambda: bad.heic(SIDE, SIDE), 400, "HEIC picture is damaged"),
    ("a HEIC that claims less than it has", lambda: bad.heic(8, 8), 400, "HEIC picture is damaged"),
]

UNUSUAL_BUT_VALID: list[Picture] = [
    ("one pixel", lambda: picture("red", size=(1, 1)), 200, "red"),
    ("a horizontal line", lambda: picture("red", size=(20_000, 1)), 200, "red"),
    ("a vertical line", lambda: picture("red", size=(1, 20_000)), 200, "red"),
    ("an animated GIF", lambda: bad.frames("GIF"), 200, "red"),
    ("a TIFF of several pages", lambda: bad.frames("TIFF"), 200, "red"),
    ("an animated PNG", lambda: bad.frames("PNG"), 200, "red"),
    ("an animated WebP", lambda: bad.frames("WEBP"), 200, "red"),
    ("an animated AVIF", lambda: bad.frames("AVIF"), 200, "red"),
    ("a HEIC of several pictures", lambda: bad.frames("HEIC"), 200, "red"),
    ("a HEIC in tiles", lambda: one_colour("RGB", "red", "HEIC", (130, 70), tile_size=64), 200, "red"),
    ("a HEIC of 10 bits", lambda: one_colour("I;16", 0xFFFF, "HEIC"), 200, "white"),
    ("a HEIC with transparency", lambda: one_colour("RGBA", (0, 0, 0, 0), "HEIC"), 200, "white"),
    ("a JPEG of several pictures", lambda: bad.frames("MPO"), 200, "red"),
    ("a CMYK JPEG", lambda: one_colour("CMYK", (0, 255, 255, 0), "JPEG"), 200, "red"),
    ("a PNG of 16 bits", lambda: one_colour("I;16", 0xFFFF, "PNG"), 200, "white"),
    ("a TIFF of 16 bits", lambda: one_colour("I;16", 0xFFFF, "TIFF"), 200, "white"),
    ("a TIFF of floats", lambda: one_colour("F", 255.0, "TIFF"), 200, "white"),
    ("a palette with transparency", lambda: one_colour("P", 0, "PNG", transparency=b"\x80"), 200, "black"),
    ("gray with transparency", lambda: one_colour("LA", (255, 7), "PNG"), 200, "white"),
    ("one bit", lambda: one_colour("1", 1, "PNG"), 200, "white"),
    ("a top-down BMP", lambda: bad.bmp(8, -8, bytes(64), compression=0), 200, "black"),
    ("invalid Exif", lambda: bad.jpeg_with_exif(b"II*\0\xff\xff\xff\xff junk"), 200, "red"),
    ("a JPEG with a zip after it", lambda: picture("red", "JPEG") + b"PK\x03\x04" + bytes(100), 200, "red"),
    ("a JPEG with HTML after it", lambda: picture("red", "JPEG") + b"<script>alert(1)</script>", 200, "red"),
    ("a GIF that is also JavaScript", lambda: bad.gif((0x2A2F, 8), (1, 1)) + b"*/=1;alert(1)", 200, "black"),
]
# Names and factories. Whether these are decoded in time depends on the machine.
COSTLY_PICTURES: list[tuple[str, Callable[[], bytes]]] = [
    *COSTLY_HEADERS.items(),
    *((name, make) for name, make in COSTLY_PIXELS.items() if re.search("16 bits|claims|CMYK", name)),
]
PICTURES = NOT_PICTURES + DAMAGED + BOMBS + UNUSUAL_BUT_VALID
