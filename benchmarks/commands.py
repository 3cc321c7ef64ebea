"""Creates the network that the commands of this folder serve."""

import subprocess
import sys
from pathlib import Path

from benchmarks.colour_network import network_settings
from project import PROJECT_DIR


def make_network(folder: Path) -> dict[str, object]:
    """Create the colour network in a child process, which loads TensorFlow, and return the settings that serve it."""
    command = [sys.executable, "-m", "benchmarks.colour_network", str(folder)]
    subprocess.run(command, cwd=PROJECT_DIR, check=True, stderr=subprocess.DEVNULL)
    return network_settings(folder) | {"model_cache_dir": folder}
