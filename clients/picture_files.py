"""Finds and reads the pictures that a command line names."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from clients.picture_upload import MAX_FILE_BYTES, TOO_LARGE
from clients.walk import Found, walk


def find_pictures(names: Iterable[str]) -> list[str]:
    """Return the names, with the pictures below it in place of each folder.

    Raises:
        OSError: a folder cannot be read, or has no pictures.
    """
    found = list(pictures_and_problems(names))
    for path, problem in found:
        if problem:
            raise FileNotFoundError(errno.ENOENT, problem, path)
    return [path for path, _ in found]


def pictures_and_problems(names: Iterable[str]) -> Iterator[Found]:
    """Yield the names, with the pictures, and the folders that cannot be read, in place of each folder."""
    for name in names:
        yield from _below(name) if os.path.isdir(name) else [Found(name)]


def _below(folder: str) -> list[Found]:
    found = [Found(str(Path(path)), problem) for path, problem in walk([folder])]
    return found or [Found(folder, "no pictures in this folder")]


def read_picture(name: str) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read, or is too large to be sent.
    """
    with open(name, "rb") as file:
        return read_content(file)


def read_content(file: BinaryIO) -> bytes:
    """Return the content of an open file.

    Raises:
        OSError: it cannot be read, or is too large to be sent.
    """
    content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, TOO_LARGE, file.name)
    return content
