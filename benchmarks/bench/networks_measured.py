"""The networks that are measured: each a Keras file, and its export to OpenVINO.

    python -m benchmarks.bench.networks_measured resnet50 DIR

makes one. Its weights are random, which costs the processor as much as any others.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.colour_network import network_settings, save_network
from networks import find_network
from openvino_export import exported
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
    def settings(self) -> dict[str, object]:
        """The settings that serve it."""
        cache: dict[str, object] = {"model_cache_dir": self.folder, "engine": "openvino"}
        if self.name == COSTLESS:
            return cache | network_settings(self.folder)
        return cache | {"model": str(self.folder / "resnet50_random.keras"), "preprocess": "caffe"}

    def loaded_settings(self) -> Settings:
        """Return the same, as the service reads them."""
        return Settings(_env_file=None, **self.settings)  # type: ignore[call-arg, arg-type]

    def exported(self) -> Path:
        """Return OpenVINO's copy, from uint8 pixels to probabilities; once a worker has run, it is there."""
        settings = self.loaded_settings()
        return exported(find_network(settings), settings)


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
    # Now, since TensorFlow is here already.
    network.exported()


if __name__ == "__main__":
    _make(Network(sys.argv[1], Path(sys.argv[2])))
