"""A JPEG that is scaled while it is decoded gets the answer that it gets when it is decoded in full.

The embedded network answers both ways. A picture that it recognizes keeps its class and its probability. Where it
hesitates, small differences between pixels count for more, as they do when a JPEG is saved once more.
"""

import io
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from inference.classifier import load_classifier
from jobs.protocol import Prediction
from pictures import decoding
from pictures.decoding import DecodingOptions, decode_image
from settings import Settings
from tests.conftest import CASTLE

# A picture is decoded at 1/2 from a shorter side of 1024 pixels on, and at 1/4 from 2048 on; some more for rounding.
SHORTER_SIDES = (1030, 1301, 2060)
SAVED_AS = (
    {"quality": 95, "subsampling": "4:4:4"},
    {"quality": 75, "subsampling": "4:2:0"},
    {"quality": 50, "subsampling": "4:2:2", "progressive": True},
)
# For each of the sides: left, upper, right and lower edge, as shares of the picture.
CROPS = ((0, 0, 1, 1), (0.1, 0, 0.9, 0.95), (0, 0.1, 1, 0.8))
LEAST_SIDE = 401
# Of the noise of a sensor, standard deviation in gray levels: without it, enlarged pictures would have no details.
NOISE = 6


class Comparison(NamedTuple):
    """The answers that a picture gets when it is scaled while it is decoded, and in full; the best class first."""

    picture: str
    scaled: tuple[Prediction, ...]
    full: tuple[Prediction, ...]

    @property
    def difference(self) -> float:
        return abs(self.scaled[0].probability - self.full[0].probability)

    @property
    def lead(self) -> float:
        """How far the first class is ahead of the second one."""
        return self.full[0].probability - self.full[1].probability

    @property
    def same_class(self) -> bool:
        return self.scaled[0].label == self.full[0].label


def photographs() -> dict[str, Image.Image]:
    """The castle, and the JPEG files of more than 400 x 400 pixels that installed packages ship."""
    files = [CASTLE]
    for distribution in distributions():
        names = distribution.files or []
        files += [Path(str(name.locate())) for name in names if name.suffix.lower() in (".jpg", ".jpeg")]
    found = {}
    for file in files:
        with Image.open(file) as image:
            if min(image.size) >= LEAST_SIDE:
                found[file.stem] = image.convert("RGB")
    return found


def clouds() -> Image.Image:
    """Coloured noise of all scales, as generated pictures have it."""
    random = np.random.default_rng(0)
    total = np.zeros((480, 640, 3))
    for octave in range(2, 9):
        cells = Image.fromarray(random.integers(0, 256, (2**octave * 3 // 4, 2**octave, 3), np.uint8))
        total += np.asarray(cells.resize((640, 480), Image.Resampling.BICUBIC)) / 2**octave
    return Image.fromarray(((total - total.min()) / np.ptp(total) * 255).astype(np.uint8))


def variations(image: Image.Image) -> Iterator[bytes]:
    """JPEG files of a picture in several sizes, crops, qualities and subsamplings."""
    noise = np.random.default_rng(0).normal(0, NOISE, (512, 512, 1))
    for side, (left, upper, right, lower) in zip(SHORTER_SIDES, CROPS, strict=True):
        box = left * image.width, upper * image.height, right * image.width, lower * image.height
        width, height = box[2] - box[0], box[3] - box[1]
        size = round(side * max(1, width / height)), round(side * max(1, height / width))
        large = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box))
        tiled = np.tile(noise, (size[1] // 512 + 1, size[0] // 512 + 1, 1))[: size[1], : size[0]]
        noisy = Image.fromarray((large + tiled).clip(0, 255).astype(np.uint8))
        for options in SAVED_AS:
            buffer = io.BytesIO()
            noisy.save(buffer, "JPEG", **options)
            yield buffer.getvalue()


@pytest.fixture(scope="module")
def comparisons(model_cache: Path) -> list[Comparison]:
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, model="efficientnet_lite0", precision="float32", model_cache_dir=model_cache, batch_size=1
    )
    options, classifier = DecodingOptions.of(settings), load_classifier(settings)
    found = []
    for name, image in (photographs() | {"clouds": clouds()}).items():
        for upload in variations(image):
            scaled = decode_image(upload, options)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(decoding, "_scale_while_decoding", lambda _image, box, _shape: box)
                full = decode_image(upload, options)
            assert scaled != full, "this picture is not scaled"
            found.append(Comparison(name, *(classifier.predict([pixels])[0] for pixels in (scaled, full))))
    return found


def test_a_picture_that_is_recognized_keeps_its_class_and_its_probability(comparisons: list[Comparison]) -> None:
    castles = [comparison for comparison in comparisons if comparison.picture == CASTLE.stem]
    assert {comparison.full[0].label for comparison in castles} == {"castle"}
    assert all(comparison.same_class for comparison in castles)
    assert max(comparison.difference for comparison in castles) < 0.02


def test_a_picture_changes_its_class_only_where_two_classes_were_about_as_likely(
    comparisons: list[Comparison],
) -> None:
    changed = [comparison for comparison in comparisons if not comparison.same_class]
    assert [comparison for comparison in changed if comparison.lead > 0.05] == []


def test_the_largest_probability_of_any_picture_moves_little(comparisons: list[Comparison]) -> None:
    differences = [comparison.difference for comparison in comparisons]
    assert max(differences) < 0.05
    assert np.mean(differences) < 0.01


def test_photographs_of_installed_packages_are_compared_too(comparisons: list[Comparison]) -> None:
    assert len({comparison.picture for comparison in comparisons} - {CASTLE.stem, "clouds"}) >= 1
