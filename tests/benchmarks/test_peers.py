import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers.preprocessing import NotAPicture, answer, decode
from helpers import Crop, ImageShape
from pictures.decoding import DecodingOptions, decode_image
from pictures.limits import Limits

OPTIONS = DecodingOptions(ImageShape(224, 224, 3), Crop("center", 0.875), Limits(10_000_000, 10_000))


def _picture(image_format: str, width: int, height: int) -> bytes:
    noise = np.random.default_rng(seed=1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, image_format)
    return file.getvalue()


@pytest.mark.parametrize("size", [(640, 480), (301, 500), (224, 224), (90, 70)])
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_the_peers_networks_see_the_very_pixels_that_ours_sees(image_format: str, size: tuple[int, int]) -> None:
    # These are too small for our service to scale a JPEG while it decodes it.
    upload = _picture(image_format, *size)
    assert decode(upload).tobytes() == decode_image(upload, OPTIONS)


def test_the_peers_refuse_what_is_no_picture() -> None:
    with pytest.raises(NotAPicture):
        decode(b"no picture")


def test_the_peers_answer_the_five_likeliest_classes_the_likeliest_first() -> None:
    predictions = answer(np.array([0.0, 0.05, 0.3, 0.1, 0.2, 0.35]))["predictions"]
    assert [each["label"] for each in predictions] == ["class_5", "class_2", "class_4", "class_3", "class_1"]
    assert [each["probability"] for each in predictions] == [0.35, 0.3, 0.2, 0.1, 0.05]
