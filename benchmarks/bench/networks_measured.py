"""The networks that are measured: each as a Keras file for the service, and exported on its own for the bare script.

    python -m benchmarks.bench.networks_measured resnet50 DIR

makes one. Its weights are random, which costs the processor as much as any others.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.colour_network import network_settings, save_network
from classifier import load_classifier
from networks import build_graph, find_network
from settings import PROJECT_DIR, Settings

RESNET50 = "resnet50"
# Its answers cost next to nothing, so that all the time is the service's own.
COSTLESS = "colours"


@dataclass(frozen=True)
class Network:
    """A network's files, in a folder of their own."""

    name: str
    folder: Path

    @property
    def bare(self) -> Path:
        """The network for the bare script, from uint8 pixels to probabilities as in the service."""
        return self.folder / "bare.xml"

    @property
    def settings(self) -> dict[str, object]:
        """The settings that serve it."""
        cache: dict[str, object] = {"model_cache_dir": self.folder, "engine": "openvino"}
        if self.name == COSTLESS:
            return cache | network_settings(self.folder)
        return cache | {"model": str(self.folder / "resnet50_random.keras"), "preprocess": "caffe"}


def measured_network(name: str, cache: Path) -> Network:
    """Return a network from the cache; when it is not there, make it in a process that takes TensorFlow with it."""
    network = Network(name, cache / name)
    if not network.folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            whole = Path(scratch) / name
            command = [sys.executable, "-m", "benchmarks.bench.networks_measured", name, str(whole)]
            subprocess.run(command, cwd=PROJECT_DIR, check=True, stderr=subprocess.DEVNULL)
            whole.rename(network.folder)
    return network


def _make(network: Network) -> None:
    import keras

    network.folder.mkdir()
    keras.utils.set_random_seed(0)
    if network.name == COSTLESS:
        save_network(network.folder)
    else:
        keras.applications.ResNet50(weights=None).save(str(network.settings["model"]))
    settings = Settings(_env_file=None, **network.settings)  # type: ignore[call-arg, arg-type]
    _export_bare(network, settings)
    # The service's own copy, since TensorFlow is here now.
    load_classifier(settings)


def _export_bare(network: Network, settings: Settings) -> None:
    import openvino
    import tensorflow

    model = build_graph(find_network(settings), settings)
    shape = (None, settings.image_height, settings.image_width, settings.image_chans)
    signature = [tensorflow.TensorSpec(shape, tensorflow.uint8)]
    function = tensorflow.function(lambda pixels: model(pixels, training=False), input_signature=signature)
    openvino.save_model(openvino.convert_model(function.get_concrete_function()), network.bare, compress_to_fp16=False)


if __name__ == "__main__":
    _make(Network(sys.argv[1], Path(sys.argv[2])))
