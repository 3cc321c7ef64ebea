"""Finds the pictures that a command line names."""

import errno
from collections.abc import Iterable
from pathlib import Path

# What is taken from a folder.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"}


def find_pictures(names: Iterable[str]) -> list[str]:
    """Return the names, with the pictures below it in place of each folder.

    Raises:
        OSError: a folder cannot be read, or has no pictures.
    """
    found = []
    for name in names:
        found += _pictures_below(Path(name)) if Path(name).is_dir() else [name]
    return found


def _pictures_below(folder: Path) -> list[str]:
    """Return the pictures in a folder and its subfolders, except hidden ones, in the order of their paths."""
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    visible = (name for name in names if not any(part.startswith(".") for part in name.parts))
    found = [str(folder / name) for name in visible if (folder / name).is_file()]
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no pictures in this folder", str(folder))
    return found
