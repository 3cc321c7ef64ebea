"""Decoding: every accepted format, the same pixels as the reference, and clear errors."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from errors import BadImage, ImageTooLarge, ServiceError, UnsupportedFormat
from helpers import ImageShape
from pictures.decoding import decode_image
from pictures.formats import accepted_formats
from pictures.limits import Limits
from tests.conftest import CASTLE, OPTIONS, picture
from tests.support import bad_pictures

SMALL = OPTIONS._replace(shape=ImageShape(2, 2, 3))


def decode(upload: bytes, size: int = 8, channels: int = 3) -> np.ndarray:
    pixels = decode_image(upload, OPTIONS._replace(shape=ImageShape(size, size, channels)))
    return np.frombuffer(pixels, np.uint8).reshape(size, size, channels)


def saved(image: Image.Image, format: str, **options: object) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", accepted_formats())
def test_every_accepted_format_is_decoded(format: str) -> None:  # noqa: A002
    assert abs(decode(picture("cyan", format)).astype(int) - [0, 255, 255]).max() <= 6


def test_pixels_are_those_of_pillows_default_resize() -> None:
    with Image.open(CASTLE) as image:
        expected = image.convert("RGB").resize((224, 224)).tobytes()
    assert decode_image(CASTLE.read_bytes(), OPTIONS) == expected


def test_width_and_height_are_not_swapped() -> None:
    image = Image.new("RGB", (4, 2))
    image.putpixel((3, 0), (255, 255, 255))
    pixels = np.frombuffer(
        decode_image(saved(image, "PNG"), OPTIONS._replace(shape=ImageShape(2, 4, 3))), np.uint8
    ).reshape(2, 4, 3)
    assert pixels[0, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["CMYK", "L", "YCbCr"])
def test_jpeg_in_other_colour_spaces_is_decoded(mode: str) -> None:
    image = Image.new("RGB", (16, 16), (200, 200, 200)).convert(mode)
    assert abs(decode(saved(image, "JPEG")).astype(int) - 200).max() <= 3


def test_progressive_jpeg_is_decoded() -> None:
    upload = saved(Image.new("RGB", (64, 64), (10, 20, 30)), "JPEG", progressive=True, quality=95)
    assert abs(decode(upload).astype(int) - [10, 20, 30]).max() <= 3


def test_sixteen_bits_are_scaled_to_eight() -> None:
    image = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    for format in ("PNG", "TIFF"):  # noqa: A001
        assert decode(saved(image, format)).flatten().tolist() == [0x80] * 8 * 8 * 3


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG", "HEIC"])
def test_the_first_of_several_frames_is_decoded(format: str) -> None:  # noqa: A002
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("white", "black", "red")]
    options = {} if format == "GIF" else {"lossless": True} if format == "WEBP" else {}
    upload = saved(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert decode(upload).min() == 255


def test_one_channel_means_gray() -> None:
    assert decode(picture("white"), channels=1).shape == (8, 8, 1)


@pytest.mark.parametrize("format", accepted_formats())
def test_a_truncated_picture_raises_bad_image(format: str) -> None:  # noqa: A002
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    upload = saved(Image.fromarray(noise), format)
    with pytest.raises(BadImage):
        decode(upload[: len(upload) // 2])


@pytest.mark.parametrize("upload", [b"", b"hello", b"<html></html>", b"\xff\xd8\xff", b"GIF89a"])
def test_data_that_is_not_a_picture_raises_bad_image(upload: bytes) -> None:
    with pytest.raises(BadImage):
        decode(upload)


@pytest.mark.parametrize("format", ["PPM", "ICO", "JPEG2000", "TGA", "PCX", "ICNS"])
def test_other_formats_are_refused(format: str) -> None:  # noqa: A002
    with pytest.raises(ServiceError) as refused:
        decode(picture("red", format, (32, 32)))
    assert isinstance(refused.value, UnsupportedFormat) or format == "TGA"  # TGA has no signature
    assert "JPEG" in refused.value.detail


def test_pixels_are_counted_before_anything_is_decoded() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(ImageTooLarge):
        decode(bomb)


def test_a_picture_of_exactly_the_limit_is_accepted() -> None:
    upload = picture(size=(10, 10))
    assert len(decode_image(upload, SMALL._replace(limits=Limits(100, 10)))) == 12
    with pytest.raises(ImageTooLarge, match="10 x 10"):
        decode_image(upload, SMALL._replace(limits=Limits(99, 10)))


@pytest.mark.parametrize("size", [(65_536, 1), (1, 65_536)])
@pytest.mark.parametrize("format", ["PNG", "TIFF", "GIF", "BMP"])
def test_a_picture_with_a_side_that_is_too_long_is_refused_before_it_is_decoded(
    format: str,  # noqa: A002
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if format == "GIF":
        limit, size = 100, (min(size[0], 101), min(size[1], 101))  # whose sides have two bytes
    else:
        limit = 65_535
    upload = picture("red", format, size)
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    with pytest.raises(ImageTooLarge, match=f"a side may have at most {limit}"):
        decode_image(upload, OPTIONS._replace(limits=Limits(50_000_000, limit)))


def test_a_picture_of_a_few_bytes_and_fifty_million_pixels_in_a_row_is_refused() -> None:
    """A TIFF of one strip, compressed by CCITT Group 4, which took two seconds of a core."""
    tags = [(256, 50_000_000), (257, 1), (258, 1), (259, 4), (262, 0), (273, 8), (277, 1), (278, 1), (279, 4)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    upload = b"II*\0" + struct.pack("<I", 12) + bytes(4) + struct.pack("<H", len(tags)) + entries + bytes(4)
    with pytest.raises(ImageTooLarge, match="50000000 x 1"):
        decode_image(upload, OPTIONS)


def test_what_pure_python_decodes_must_be_a_hundred_times_as_small() -> None:
    lines = (b"\xff\x00" * 2 + b"\0\0") * 800 + b"\0\1"
    with pytest.raises(ImageTooLarge, match="run-length"):
        decode_image(bad_pictures.bmp(800, 800, lines), OPTIONS)
    assert decode_image(bad_pictures.bmp(510, 800, lines), OPTIONS)
