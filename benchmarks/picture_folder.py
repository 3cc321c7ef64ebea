"""Many small pictures in nested folders, no two the same, and the check of a table of their classes."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.colour_network import COLOURS, picture

FILES_PER_FOLDER = 500
FOLDERS_PER_FOLDER = 20
# One in so many files is no picture.
BAD_FILE_INTERVAL = 100
BAD = "bad"


def make_files(top: Path, count: int) -> None:
    """Write the files; each name ends in what the service must say of it: a colour, or `bad`."""
    jpegs = {colour: picture(colour, "JPEG") for colour in COLOURS}
    names = list(COLOURS)
    for number in range(count):
        folder_number = number // FILES_PER_FOLDER
        folder = top / f"{folder_number // FOLDERS_PER_FOLDER:02}" / f"{folder_number % FOLDERS_PER_FOLDER:02}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir(parents=True)
        if number % BAD_FILE_INTERVAL == BAD_FILE_INTERVAL - 1:
            (folder / f"{number:07}-{BAD}.jpg").write_bytes(b"no picture %d" % number)
        else:
            colour = names[number % len(names)]
            (folder / f"{number:07}-{colour}.jpg").write_bytes(_numbered(jpegs[colour], number))


def _numbered(jpeg: bytes, number: int) -> bytes:
    """Return a JPEG with a comment, which follows its first two bytes."""
    comment = b"%d" % number
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + jpeg[2:]


@dataclass
class TableCheck:
    """How a table compares with the files.

    Attributes:
        lines: the number of rows.
        twice: files with more than one row.
        missing: files without a row.
        wrong: how many rows say something else than the file's name.
    """

    lines: int = 0
    twice: int = 0
    missing: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, table: Path, top: Path) -> "TableCheck":
        """Compare."""
        check = cls()
        seen: Counter[str] = Counter()
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                check.lines += 1
                seen[row["path"]] += 1
                expected = Path(row["path"]).stem.split("-")[1]
                got = BAD if row["status"] == "400" else row["label"] or row["problem"]
                if got != expected:
                    check.wrong[f"{got} instead of {expected}"] += 1
        check.twice = sum(count > 1 for count in seen.values())
        check.missing = sum(str(path) not in seen for path in top.rglob("*.jpg"))
        return check

    @property
    def good(self) -> bool:
        """Each file has one row, which is right."""
        return not (self.twice or self.missing or self.wrong)
