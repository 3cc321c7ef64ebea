"""A network on OpenVINO gives the answers of TensorFlow, or is refused in one line that says so."""

import numpy as np
import pytest

from inference.agreement import sample_pictures
from tests.inference.conftest import Load, MakeNetwork, outputs_of


@pytest.mark.parametrize(("classes", "activation"), [(1, "sigmoid"), (1000, "softmax")])
def test_a_network_whose_outputs_are_bfloat16_is_served(
    classes: int, activation: str, make_network: MakeNetwork, load: Load
) -> None:
    file = make_network(classes, activation, dtype="mixed_bfloat16")
    classifier = load(file, engine="openvino")
    pictures = sample_pictures(classifier.engine.shape)
    expected = outputs_of(file, pictures).astype(np.float32)
    assert abs(classifier.engine(pictures)[:, -classes:] - expected).max() < 0.02
