"""HEIC: upright once, the primary picture, in the right colours, and AVIF is left to Pillow."""

import io
import struct
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image

from errors import ImageTooLarge
from helpers import Crop, ImageShape
from pictures import lanes
from pictures.cell_pool import CellPool
from pictures.decoding import DecodingOptions, decode_image, open_image
from pictures.limits import Limits
from project import PROJECT_DIR
from tests.conftest import MakeSettings, picture
from tests.support.bad_pictures import frames, overwritten, saved

OPTIONS = DecodingOptions(ImageShape(8, 8, 3), Crop("squash"), Limits(50_000_000, 65_535))
ORANGE = (200, 100, 50)


def decoded(upload: bytes) -> npt.NDArray[np.int64]:
    return np.frombuffer(decode_image(upload, OPTIONS), np.uint8).reshape(8, 8, 3).astype(np.int64)


def is_orange(upload: bytes) -> bool:
    return bool(abs(decoded(upload) - ORANGE).max() <= 4)


def orange(**options: object) -> bytes:
    return saved(Image.new("RGB", (64, 64), ORANGE), "HEIC", **options)


def with_brand(upload: bytes, brand: bytes) -> bytes:
    return upload[:8] + brand + upload[12:]


def orientation(value: int) -> bytes:
    """Exif with nothing but an orientation."""
    return b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, value, 0)


@pytest.mark.parametrize(
    ("name", "upright", "turned"),
    [
        ("exif", orientation(1), orientation(6)),
        ("xmp", b'<x tiff:Orientation="1"/>', b'<x tiff:Orientation="6"/>'),
        ("xmp", b"<tiff:Orientation>1 </tiff:Orientation>", b"<tiff:Orientation>6 </tiff:Orientation>"),
    ],
)
def test_an_orientation_in_the_metadata_alone_is_ignored_as_the_standard_wants(
    name: str, upright: bytes, turned: bytes
) -> None:
    left_half_white = Image.new("RGB", (64, 64))
    left_half_white.paste((255, 255, 255), (0, 0, 32, 64))
    upload = saved(left_half_white, "HEIC", **{name: upright})
    assert upright in upload
    pixels = decoded(upload.replace(upright, turned))
    assert pixels[:, 1].min() > 240
    assert pixels[:, 6].max() < 15


@pytest.mark.parametrize("primary_index", [0, 1, 2])
def test_of_several_pictures_the_primary_one_is_decoded(primary_index: int) -> None:
    upload = frames("HEIC", primary_index=primary_index)
    assert decoded(upload)[4, 4].argmax() == primary_index


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])
def test_every_brand_of_heic_is_decoded(brand: bytes) -> None:
    assert is_orange(with_brand(orange(), brand))


def test_avif_is_left_to_pillow_even_when_its_brand_is_a_general_one() -> None:
    avif = picture("cyan", "AVIF")
    assert {open_image(with_brand(avif, brand), OPTIONS.limits).format for brand in (b"avif", b"mif1")} == {"AVIF"}
    assert open_image(with_brand(orange(), b"mif1"), OPTIONS.limits).format == "HEIC"


@pytest.mark.parametrize("matrix_coefficients", [1, 5, 6, 9])
@pytest.mark.parametrize("full_range_flag", [0, 1])
def test_colours_are_right_with_every_matrix_and_range(matrix_coefficients: int, full_range_flag: int) -> None:
    assert is_orange(orange(matrix_coefficients=matrix_coefficients, full_range_flag=full_range_flag))


@pytest.mark.parametrize("chroma", [420, 422, 444])
@pytest.mark.parametrize("opaque", [True, False])
def test_ten_bits_are_scaled_to_eight(chroma: int, opaque: bool) -> None:
    pixels = np.full((64, 64, 4), [*(value * 257 for value in ORANGE), 65_535], np.uint16)
    if opaque:
        pixels = pixels[:, :, :3]
    buffer = io.BytesIO()
    file = pillow_heif.from_bytes("RGB;16" if opaque else "RGBA;16", (64, 64), pixels.tobytes())
    file.save(buffer, chroma=chroma)
    assert pillow_heif.open_heif(buffer).info["bit_depth"] == 10
    assert is_orange(buffer.getvalue())


def test_a_picture_that_libheif_has_no_memory_for_is_too_large(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MEMORY_BYTES", 60 * 2**20)
    pool = CellPool(make_settings())
    upload = saved(Image.new("RGB", (6000, 5000)), "HEIC", enc_params={"preset": "ultrafast"})
    with pytest.raises(ImageTooLarge, match="memory"):
        pool.decode(upload, lambda: False)
    pool.close()


def test_damage_within_the_general_brands_is_not_blamed_on_the_other_format() -> None:
    for format, upload in (("HEIC", orange()), ("AVIF", picture("cyan", "AVIF"))):  # noqa: A001
        with pytest.raises(Exception, match=f"header of this {format} picture"):
            decoded(overwritten(with_brand(upload, b"mif1"), 60, 64))


def test_a_web_server_itself_does_without_libheif() -> None:
    code = "import sys, web.app, pictures.formats as f; f.accepted_formats(); assert 'pillow_heif' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, check=True, timeout=60)
