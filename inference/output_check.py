"""Whether a user's network gives probabilities for the sample pictures, and whether these make a difference to it."""

import time

import numpy as np
import numpy.typing as npt

from inference.agreement import sample_pictures
from inference.engine import Engine, Probabilities
from inference.networks import ModelError, Network
from logger import log

# Of one probability, and of the sum of all classes: bfloat16 has 8 bits of mantissa.
TOLERANCE = 0.02
# A probability that moves less over ten views of a castle says nothing about them.
HARDLY = 0.01
# How long to compute, but two pictures at least: starts should be short.
CHECKED_S = 2


def check_outputs(network: Network, engine: Engine) -> int:
    """Warn of outputs that are probably not what they should be, and return the number of classes.

    Raises:
        ModelError: they are not probabilities; the message says what to set.
    """
    outputs = _sample_outputs(engine)
    if not np.isfinite(outputs).all():
        raise ModelError(f"{network.name}: its outputs are not finite numbers; is it trained, and PREPROCESS right?")
    if outputs.min() < -TOLERANCE or outputs.max() > 1 + TOLERANCE:
        raise ModelError(
            f"{network.name}: its outputs are not probabilities: from {outputs.min():.4g} to {outputs.max():.4g} over "
            "the sample pictures. Set OUTPUT=logits if one class is right for each picture (it was trained with "
            "from_logits=True), or OUTPUT=sigmoid if each class is a yes or no of its own"
        )
    for note in _doubts(network, outputs):
        log("outputs_doubtful", level="warning", model=network.name, note=note)
    return int(outputs.shape[1])


def _sample_outputs(engine: Engine) -> Probabilities:
    end = time.monotonic() + CHECKED_S
    outputs: list[Probabilities] = []
    for picture in sample_pictures(engine.shape):
        outputs.append(engine(picture[np.newaxis]))
        if len(outputs) > 1 and time.monotonic() > end:
            break
    return np.concatenate(outputs)


def _doubts(network: Network, outputs: Probabilities) -> list[str]:
    doubts = []
    if network.output == "probabilities" and abs(outputs.sum(axis=1) - 1).max() > TOLERANCE:
        doubts.append(
            "The probabilities of a picture do not add up to 1. That is right where each class is a yes or no of its "
            "own (a sigmoid at the end); if the network has neither softmax nor sigmoid, set OUTPUT."
        )
    if network.output != "probabilities" and _were_probabilities(outputs, network.output):
        doubts.append(f"The network seems to give probabilities by itself; if so, do not set OUTPUT={network.output}.")
    if np.ptp(outputs, axis=0).max() < HARDLY:
        doubts.append(
            f"Its answers are nearly the same for all sample pictures. Is PREPROCESS={network.preprocess} how the "
            "training pictures were scaled?"
        )
    return doubts


def _were_probabilities(outputs: Probabilities, output: str) -> bool:
    """Tell whether what went into the softmax or sigmoid were probabilities, for all pictures."""
    before: npt.NDArray[np.float32]
    with np.errstate(divide="ignore", invalid="ignore"):
        if output == "logits":
            logarithms = np.log(outputs)
            # Softmax forgets a constant: the one with which they add up to 1, as probabilities do.
            before = logarithms + (1 - logarithms.sum(axis=1, keepdims=True)) / outputs.shape[1]
        else:
            # Without the first: of a network with one output it is the opposite of the second.
            before = (np.log(outputs) - np.log(1 - outputs))[:, 1:]
    return bool((before >= -TOLERANCE).all() and (before <= 1 + TOLERANCE).all())
