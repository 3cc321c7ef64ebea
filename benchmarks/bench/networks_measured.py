"""The networks that are measured: each is a Keras file and its export to OpenVINO.

    python -m benchmarks.bench.networks_measured resnet50 DIR

creates one. Its weights are random: any others would take the same time.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.colour_network import network_settings, save_network
from inference.model_cache import ModelCache
from inference.networks import resolve_network
from inference.openvino_export import ensure_exported
from project import PROJECT_DIR
from settings import Settings

RESNET50 = "resnet50"
# Takes almost no time, so what is measured is the service itself.
COSTLESS = "colours"


@dataclass(frozen=True)
class Network:
    """A network and the folder of its files."""

    name: str
    folder: Path

    @property
    def settings(self) -> dict[str, object]:
        """The settings that serve it."""
        # In float32, as the bare script, so that processors with and without bfloat16 can be compared.
        cache: dict[str, object] = {"model_cache_dir": self.folder, "engine": "openvino", "precision": "float32"}
        if self.name == COSTLESS:
            return cache | network_settings(self.folder)
        return cache | {"model": str(self.folder / "resnet50_random.keras"), "preprocess": "caffe"}

    def loaded_settings(self) -> Settings:
        """Return these settings as the service loads them."""
        return Settings(_env_file=None, **self.settings)  # type: ignore[call-arg, arg-type]

    def exported(self) -> Path:
        """Return the OpenVINO file, from uint8 pixels to probabilities; export it if no worker has done so."""
        settings = self.loaded_settings()
        with ModelCache(settings) as cache:
            return ensure_exported(resolve_network(settings), settings, cache)


def measured_network(name: str, cache: Path) -> Network:
    """Return a network from the cache; a missing one is created in a child process, which loads TensorFlow."""
    network = Network(name, cache / name)
    if not network.folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            whole = Path(scratch) / name
            command = [sys.executable, "-m", "benchmarks.bench.networks_measured", name, str(whole)]
            subprocess.run(command, cwd=PROJECT_DIR, check=True, stderr=subprocess.DEVNULL)
            whole.rename(network.folder)
    return network


def _create(network: Network) -> None:
    import keras

    network.folder.mkdir()
    keras.utils.set_random_seed(0)
    if network.name == COSTLESS:
        save_network(network.folder)
    else:
        keras.applications.ResNet50(weights=None).save(str(network.settings["model"]))
    # Exported here, where TensorFlow is loaded anyway.
    network.exported()


if __name__ == "__main__":
    _create(Network(sys.argv[1], Path(sys.argv[2])))
