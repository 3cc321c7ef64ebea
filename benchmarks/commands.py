"""What the commands of this folder share: a network to serve."""

import subprocess
import sys
from pathlib import Path

from benchmarks.colour_network import network_settings
from settings import PROJECT_DIR


def make_network(folder: Path) -> dict[str, object]:
    """Make the colour network, in a process of its own that takes TensorFlow with it; return the settings for it."""
    command = [sys.executable, "-m", "benchmarks.colour_network", str(folder)]
    subprocess.run(command, cwd=PROJECT_DIR, check=True, stderr=subprocess.DEVNULL)
    return network_settings(folder) | {"model_cache_dir": folder}
