"""Finds the files that a command line names, one after the other, however many there are.

In memory are only the names in the folder that is walked just now, and in those above it.
"""

import glob
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

# What is taken from a folder.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"}


class Found(NamedTuple):
    """A file, or a name in whose place none was found, with the reason."""

    path: str
    problem: str | None = None


def walk(names: Iterable[str], table: Path | None = None) -> Iterator[Found]:
    """Yield files, the pictures below folders, and both in place of each pattern, in the order of their names.

    Pictures are known by the endings of their names; whatever is named itself, or by a pattern, is taken without that.
    Hidden files and links to folders are left out, unless they are named.

    Args:
        names: of files and folders, or patterns as a shell has them; `**` stands for any folders.
        table: is left out, since it often lies where the pictures are.
    """
    left_out = _status(table) if table else None
    for name in names:
        if os.path.lexists(name) or not glob.has_magic(name):
            yield from _named(str(Path(name)), left_out)
            continue
        matched = False
        for found in _matching(*_split(name)):
            matched = True
            yield from [found] if found.problem else _named(found.path, left_out)
        if not matched:
            yield Found(name, "No file has such a name")


def _named(path: str, left_out: os.stat_result | None) -> Iterator[Found]:
    status = _status(path)
    if status and stat.S_ISDIR(status.st_mode):
        yield from _below(path)
    elif not (status and left_out and os.path.samestat(status, left_out)):
        yield Found(path)


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):  # whoever reads it will find out
        return None


def _below(top: str) -> Iterator[Found]:
    """Yield the pictures below a folder. It is a loop, since folders may lie in each other hundreds deep."""
    pending = [("", [f"{top}/"])]
    while pending:
        folder, names = pending[-1]
        if not names:
            pending.pop()
            continue
        path = os.path.join(folder, names.pop())
        if not path.endswith("/"):
            yield Found(path)
            continue
        path = path.rstrip("/") or "/"
        try:
            pending.append((path, _names(path)))
        except OSError as error:
            yield Found(path, error.strerror)


def _names(folder: str) -> list[str]:
    """Return the names of a folder's pictures and folders, these with a slash at the end, the last one first.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        visible = (entry for entry in entries if not entry.name.startswith("."))
        names = [f"{entry.name}/" if _is_folder(entry) else entry.name for entry in visible if _is_taken(entry)]
    names.sort(reverse=True)
    return names


def _is_taken(entry: "os.DirEntry[str]") -> bool:
    return _is_folder(entry) or (os.path.splitext(entry.name)[1].lower() in SUFFIXES and _is_file(entry))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_dir(follow_symlinks=False)


def _is_file(entry: "os.DirEntry[str]") -> bool:
    """Tell whether it is a file, or a link that leads nowhere, which somebody may miss."""
    try:
        return entry.is_file() or not os.path.exists(entry)
    except OSError:  # whoever reads it will find out
        return True


def _split(pattern: str) -> tuple[str, list[str]]:
    """Return the folder with which a pattern begins, and its parts from the first one with a wildcard."""
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return os.path.join("", *parts[:fixed]), list(parts[fixed:])


def _matching(folder: str, parts: list[str]) -> Iterator[Found]:
    """Yield the files and folders whose paths match, and the folders that cannot be read. It is a loop, as above."""
    pending = [(folder, _steps(folder, parts))]
    while pending:
        folder, steps = pending[-1]
        try:
            path, rest = next(steps, (None, []))
        except OSError as error:
            yield Found(folder, error.strerror)
            continue
        if path is None:
            pending.pop()
        elif rest:
            pending.append((path, _steps(path, rest)))
        elif os.path.lexists(path or "."):
            yield Found(path or ".")


def _steps(folder: str, parts: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield what matches the first part in a folder, each with the parts that are left for it.

    Raises:
        OSError: the folder cannot be read.
    """
    first, *rest = parts
    if first == "**":
        # Read first, so that a folder that cannot be read is told once.
        below = [name for name, is_folder in _visible(folder) if is_folder] if rest else []
        yield folder, rest
        for name in below:
            yield os.path.join(folder, name), parts
    elif glob.has_magic(first):
        for name, _ in _visible(folder):
            if fnmatchcase(name, first):
                yield os.path.join(folder, name), rest
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(os.path.join(folder, first))
            yield os.path.join(folder, first), rest


def _visible(folder: str) -> list[tuple[str, bool]]:
    """Return the names in a folder, and whether each is a folder itself and no link; none if it is no folder.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        with os.scandir(folder or ".") as entries:
            return sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
