"""What the command lines of the clients share: where the service is, and which pictures to send."""

import argparse
import errno
import math
import os
from pathlib import Path

DEFAULT_IMAGE = Path(__file__).with_name("castle_image.jpg")
DEFAULT_URL = "http://127.0.0.1:5000"
# What is taken from a folder.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif"}


def add_service_options(parser: argparse.ArgumentParser) -> None:
    """Add what is needed to reach the service."""
    parser.add_argument("--url", type=service_url, default=DEFAULT_URL, help="where it is (default: %(default)s)")
    key = os.environ.get("API_KEY")
    parser.add_argument("--api-key", type=api_key, default=key, help="where one is needed (default: $API_KEY)")


def pictures(names: list[str]) -> list[str]:
    """Return the names, with the pictures in it instead of each folder.

    Raises:
        OSError: a folder cannot be read, or holds no pictures.
    """
    found = []
    for name in names:
        found += _pictures_in(Path(name)) if Path(name).is_dir() else [name]
    return found


def _pictures_in(folder: Path) -> list[str]:
    found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no pictures in this folder", str(folder))
    return found


def service_url(text: str) -> str:
    """Take an address without its last slash."""
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError("must begin with http:// or https://")
    return text.rstrip("/")


def api_key(text: str) -> str:
    """Take what a header takes; otherwise the libraries would complain, and show the key."""
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise argparse.ArgumentTypeError("holds characters that a key cannot have")
    return text


def positive(text: str) -> float:
    """Take a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def positive_count(text: str) -> int:
    """Take a whole number above zero."""
    number = positive(text)
    if number != int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(number)
