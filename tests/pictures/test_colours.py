"""Colours: converted with their profile, opaque on white, and untouched where there is nothing to do."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from helpers import Crop, ImageShape
from pictures.decoding import DecodingOptions, decode_image
from pictures.limits import Limits
from tests.conftest import CASTLE

CENTER, SQUASH = Crop("center", 0.875), Crop("squash")
# The white point and the primaries of Display P3, as ICC stores them (D50, SMPTE EG 432-1).
P3_PRIMARIES = {"rXYZ": (0.5151, 0.2412, -0.0011), "gXYZ": (0.2919, 0.6922, 0.0419), "bXYZ": (0.1572, 0.0666, 0.7841)}


def decoded(upload: bytes, crop: Crop = CENTER, channels: int = 3) -> np.ndarray:
    options = DecodingOptions(ImageShape(8, 8, channels), crop, Limits(50_000_000, 65_535))
    return np.frombuffer(decode_image(upload, options), np.uint8).reshape(8, 8, channels).astype(int)


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def fixed(value: float) -> bytes:
    return round(value * 65_536).to_bytes(4, "big", signed=True)


def matrix_profile(primaries: dict[str, tuple[float, float, float]], gamma: float = 2.2) -> bytes:
    """An ICC profile of version 2 with these primaries: https://www.color.org/icc34.pdf, clauses 6 and 7."""
    description = b"another display\0"
    tags = {
        "desc": b"desc" + bytes(4) + len(description).to_bytes(4, "big") + description + bytes(78),
        "wtpt": b"XYZ " + bytes(4) + fixed(0.9642) + fixed(1.0) + fixed(0.8249),
    }
    tags |= {name: b"XYZ " + bytes(4) + b"".join(map(fixed, xyz)) for name, xyz in primaries.items()}
    curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)
    tags |= dict.fromkeys(("rTRC", "gTRC", "bTRC"), curve)
    table, data = len(tags).to_bytes(4, "big"), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name.encode() + (start + len(data)).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        data += value + bytes(-len(value) % 4)
    header = (start + len(data)).to_bytes(4, "big") + bytes(4) + b"\x02\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    return header.ljust(128, b"\0") + table + data


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC"])
@pytest.mark.parametrize("crop", [CENTER, SQUASH], ids=str)
def test_a_picture_in_another_colour_space_is_converted(format: str, crop: Crop) -> None:  # noqa: A002
    # Display P3 has a wider gamut, so the same numbers mean a more saturated colour.
    options = {"quality": 95} if format in ("JPEG", "WEBP", "HEIC") else {}
    image = Image.new("RGB", (32, 32), (200, 100, 100))
    plain = decoded(saved(image, format, **options), crop)[4, 4]
    wide = decoded(saved(image, format, icc_profile=matrix_profile(P3_PRIMARIES), **options), crop)[4, 4]
    assert wide[0] - plain[0] > 8
    assert plain[1] - wide[1] > 3


def test_a_picture_that_says_srgb_is_left_as_it_is() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.effect_noise((64, 64), 100).convert("RGB")
    assert (decoded(saved(image, icc_profile=profile)) == decoded(saved(image))).all()


@pytest.mark.parametrize("profile", [b"no profile", matrix_profile(P3_PRIMARIES)[:100], bytes(5_000_000)])
def test_a_profile_that_cannot_be_read_is_ignored(profile: bytes) -> None:
    image = Image.new("RGB", (32, 32), (200, 100, 100))
    assert decoded(saved(image, "TIFF", icc_profile=profile))[4, 4].tolist() == [200, 100, 100]


def test_transparent_pixels_lie_on_white() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert (decoded(saved(image)) == 255).all()
    assert (decoded(saved(image), channels=1) == 255).all()
    half = Image.new("RGBA", (64, 64), (255, 0, 0, 128))
    assert abs(decoded(saved(half))[4, 4] - [255, 127, 127]).max() <= 1


def test_a_transparent_palette_lies_on_white_too() -> None:
    palette = Image.new("P", (16, 16))
    palette.putpalette([255, 0, 0] * 256)
    assert (decoded(saved(palette, transparency=b"\x00\xff")) == 255).all()


def test_colours_behind_transparent_pixels_do_not_bleed_into_others() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, :32] = (0, 0, 255, 255)
    pixels[:, 32:] = (255, 0, 0, 0)
    assert decoded(saved(Image.fromarray(pixels)), SQUASH)[:, :, 0].tolist()[4][:3] == [0, 0, 0]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_squash_is_bit_for_bit_what_pillow_makes_of_an_opaque_picture(mode: str, channels: int) -> None:
    with Image.open(CASTLE) as castle:
        image = castle.convert(mode)
    upload = saved(image, "TIFF" if mode == "CMYK" else "PNG")
    with Image.open(io.BytesIO(upload)) as again:
        expected = again.convert("RGB" if channels == 3 else "L").resize((8, 8))
    assert (decoded(upload, SQUASH, channels) == np.asarray(expected).reshape(8, 8, channels)).all()
