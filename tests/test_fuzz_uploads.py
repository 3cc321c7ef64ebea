"""Whatever bytes come in, the decoder gives pixels or one of three errors; hypothesis makes up the bytes."""

import contextlib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import BadImage, ImageTooLarge, UnsupportedFormat
from helpers import image_formats, image_to_pixels
from tests.bad_pictures import frames, noise, one_colour

WIDTH, HEIGHT = 9, 7
# So low that no made-up header costs much time.
MAX_PIXELS = 1_000_000

ORIGINALS = [
    *(noise(name, (16, 16)) for name in image_formats()),
    *(frames(name) for name in ("GIF", "TIFF", "PNG", "WEBP", "MPO")),
    one_colour("RGB", "red", "TIFF", compression="tiff_lzw"),
    one_colour("RGB", "red", "TIFF", compression="tiff_adobe_deflate"),
    one_colour("RGB", "red", "JPEG", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    one_colour("P", 0, "PNG", transparency=b"\x80"),
    one_colour("I;16", 5, "PNG"),
]


def cut(upload: bytes, start: int, length: int, _new: bytes) -> bytes:
    return upload[:start] + upload[start + length :]


def insert(upload: bytes, start: int, _length: int, new: bytes) -> bytes:
    return upload[:start] + new + upload[start:]


def overwrite(upload: bytes, start: int, _length: int, new: bytes) -> bytes:
    return upload[:start] + new + upload[start + len(new) :]


def repeat(upload: bytes, start: int, length: int, _new: bytes) -> bytes:
    return upload[: start + length] + upload[start:]


@st.composite
def mutated_pictures(draw: st.DrawFn) -> bytes:
    """A good picture to which a few bad things have happened, most of them near its beginning."""
    upload = draw(st.sampled_from(ORIGINALS))
    for _ in range(draw(st.integers(1, 4))):
        mutate = draw(st.sampled_from([cut, insert, overwrite, repeat]))
        start = draw(st.integers(0, 64) | st.integers(0, len(upload)))
        upload = mutate(upload, start, draw(st.integers(1, 40)), draw(st.binary(min_size=1, max_size=8)))
    return upload


# Pillow warns of much that is odd, which is none of our errors.
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None, derandomize="CI" in os.environ)
@given(st.binary(max_size=300) | mutated_pictures())
def test_any_bytes_give_pixels_or_an_honest_error(upload: bytes) -> None:
    with contextlib.suppress(BadImage, ImageTooLarge, UnsupportedFormat):
        assert len(image_to_pixels(upload, WIDTH, HEIGHT, 3, MAX_PIXELS)) == WIDTH * HEIGHT * 3
