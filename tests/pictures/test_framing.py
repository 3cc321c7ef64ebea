"""Which part of a picture the network sees: upright, in the middle, and without a shift."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from helpers import Crop, ImageShape
from pictures.decoding import DecodingOptions, decode_image
from pictures.framing import crop_box
from pictures.limits import Limits

CENTER, SQUASH = Crop("center", 0.875), Crop("squash")
# Formats that carry an EXIF orientation.
ORIENTED = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
CORNERS = np.array([[RED, GREEN], [BLUE, WHITE]])
# How each EXIF orientation is stored: the corners of the upright picture, seen from its stored side.
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}

Array = npt.NDArray[np.uint8]


def decoded(upload: bytes, crop: Crop, height: int = 224, width: int = 224) -> Array:
    options = DecodingOptions(ImageShape(height, width, 3), crop, Limits(50_000_000, 65_535))
    return np.frombuffer(decode_image(upload, options), np.uint8).reshape(height, width, 3)


def saved(pixels: npt.NDArray[np.generic], format: str = "PNG", **options: object) -> bytes:  # noqa: A002
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "shape", "crop", "box"),
    [
        ((800, 480), (224, 224), SQUASH, (0, 0, 800, 480)),
        ((800, 480), (224, 224), Crop("center", 1.0), (160, 0, 640, 480)),
        ((800, 480), (224, 224), CENTER, (190, 30, 610, 450)),
        ((480, 800), (224, 224), CENTER, (30, 190, 450, 610)),
        ((800, 480), (100, 200), Crop("center", 1.0), (0, 40, 800, 440)),
        ((1, 1000), (224, 224), Crop("center", 1.0), (0, 499.5, 1, 500.5)),
    ],
)
def test_the_middle_is_cut_as_timm_does(
    size: tuple[int, int], shape: tuple[int, int], crop: Crop, box: tuple[float, ...]
) -> None:
    assert crop_box(*size, ImageShape(*shape, 3), crop) == pytest.approx(box)


@pytest.mark.parametrize("format", ORIENTED)
@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("crop", [CENTER, SQUASH], ids=str)
def test_a_picture_is_upright_in_every_orientation(format: str, orientation: int, crop: Crop) -> None:  # noqa: A002
    upright = CORNERS.repeat(40, 0).repeat(60, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upload = saved(np.ascontiguousarray(STORED[orientation](upright)), format, exif=exif)
    pixels = decoded(upload, crop, 80, 120)
    seen = pixels[20::40, 30::60].astype(int)
    assert abs(seen - CORNERS).max() < 60


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_an_orientation_that_cannot_be_read_is_ignored() -> None:
    upload = saved(np.zeros((8, 8, 3)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decoded(upload, CENTER).max() < 10


@pytest.mark.parametrize("size", [(2400, 3840), (3840, 2400), (1800, 1800), (481, 799)], ids=str)
@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "JPEG", "progressive": True}], ids=str)
def test_scaled_decoding_does_not_shift_the_picture(size: tuple[int, int], options: dict[str, object]) -> None:
    """A line at each edge of the crop lies where it lies when the picture is decoded in full."""
    height, width = size
    pixels = np.full((height, width, 3), 128)
    left, upper, right, lower = (round(edge) for edge in crop_box(width, height, ImageShape(224, 224, 3), CENTER))
    thick = max(3, min(size) // 100)
    pixels[:, left : left + thick] = pixels[:, right - thick : right] = 255
    pixels[upper : upper + thick, left:right] = pixels[lower - thick : lower, left:right] = 0
    upload = saved(pixels, quality=95, **options)  # type: ignore[arg-type]
    with Image.open(io.BytesIO(upload)) as image:
        box = crop_box(width, height, ImageShape(224, 224, 3), CENTER)
        full = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC, box)).astype(int)
    scaled = decoded(upload, CENTER).astype(int)
    for edge in (np.s_[:, 0], np.s_[:, -1], np.s_[0], np.s_[-1]):
        assert abs(full[edge] - scaled[edge]).mean() < 12
    assert abs(full - scaled).mean() < 2


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def noting(image: Image.Image, *arguments: object) -> Image.Image:
        loaded.append(image.size)
        return resize(image, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", noting)
    decoded(saved(np.zeros((2400, 3840, 3)), "JPEG"), CENTER)
    decoded(saved(np.zeros((2400, 3840, 3)), "JPEG"), SQUASH)
    assert loaded == [(960, 600), (3840, 2400)]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2), (64, 48), (223, 225)], ids=str)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
@pytest.mark.parametrize("crop", [CENTER, SQUASH], ids=str)
def test_pictures_of_any_shape_can_be_cropped(size: tuple[int, int], format: str, crop: Crop) -> None:  # noqa: A002
    assert abs(decoded(saved(np.full((*size, 3), 200), format), crop).astype(int) - 200).max() <= 3
