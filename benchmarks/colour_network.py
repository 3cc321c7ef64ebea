"""A tiny network that classifies pictures by colour, and pictures for it.

Its classes are the corners of the RGB cube; the nearest one comes first. This creates the network and serves it:

    python -m benchmarks.colour_network /tmp/colours
    MODEL=/tmp/colours/colours.keras LABELS=/tmp/colours/labels.txt python run_model_server.py
"""

import argparse
import io
from pathlib import Path

from PIL import Image

COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 255, 0),
    "cyan": (0, 255, 255),
    "red": (255, 0, 0),
    "magenta": (255, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
}


def picture(colour: str = "red", format: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:  # noqa: A002
    """Return the file of a picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(buffer, format)
    return buffer.getvalue()


def network_settings(folder: Path) -> dict[str, object]:
    """Return the settings that serve the network in this folder."""
    return {"model": str(folder / "colours.keras"), "labels": folder / "labels.txt"}


def save_network(folder: Path) -> None:
    """Create the network and its labels in this folder."""
    import keras
    import numpy as np

    pixels = keras.Input((224, 224, 3))
    means = keras.layers.GlobalAveragePooling2D()(pixels)
    classify = keras.layers.Dense(len(COLOURS), activation="softmax")
    model = keras.Model(pixels, classify(means))
    corners = np.array(list(COLOURS.values())) / 255 * 2 - 1
    classify.set_weights([corners.T / 20, -corners.sum(axis=1) * 127.5 / 20])
    model.save(folder / "colours.keras")
    (folder / "labels.txt").write_text("\n".join(COLOURS) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write it; the folder must exist")
    save_network(parser.parse_args().folder)
