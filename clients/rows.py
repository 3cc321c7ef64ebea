r"""A row of the table that `classify.py` writes, and its two forms: a line of CSV, or of JSON.

Each row is one line, whatever is in it. Characters that would break a line, and bytes of a name that are not UTF-8, are
written as in Python's strings (`\n`, `\udcff`), and a backslash in a path is written as two.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Protocol

GOOD = 200
# The statuses in docs/http.md that say something about the picture. Other ones are about the request or the way.
REFUSED = (400, 413, 415)
_BREAKS_LINES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NEEDS_QUOTES = re.compile('[,;"]')
# What spreadsheets take for a formula: https://owasp.org/www-community/attacks/CSV_Injection.
FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Row:
    """What became of one file.

    Attributes:
        path: as `path_text` writes it.
        bytes: its size; None where it could not be read.
        modified: when it was changed last, in UTC.
        status: the HTTP status; None where there was no answer.
        model: the network that answered.
        predictions: the most likely classes, the most likely first.
        problem: why it was not classified.
    """

    path: str
    bytes: int | None = None
    modified: str | None = None
    status: int | None = None
    model: str | None = None
    predictions: Sequence[Mapping[str, Any]] = ()
    problem: str | None = None

    @property
    def is_good(self) -> bool:
        """It was classified."""
        return self.status == GOOD

    @property
    def is_refused(self) -> bool:
        """The service refused it as it is, so that it need not be sent again."""
        return self.status in REFUSED


class RowFormat(Protocol):
    """How rows are written.

    Attributes:
        header: the first line, if there is one.
        opening: with what the file of such rows begins.
    """

    header: str
    opening: str

    def line(self, row: Row) -> str:
        """Return the row without the end of its line."""

    def read(self, line: str) -> Row:
        """Return what tells the row from others: path, size, time and status.

        Raises:
            ValueError: this is no such line.
        """


class CsvRows:
    """Lines of CSV with the most likely class; cells that could be taken for formulas begin with an apostrophe."""

    header = "path,bytes,modified,status,label,probability,index,model,problem"
    opening = f"{header}\n"

    def line(self, row: Row) -> str:
        """Return the row without the end of its line."""
        first = row.predictions[0] if row.predictions else {}
        classes = [first.get(name) for name in ("label", "probability", "index")]
        cells = [row.path, row.bytes, row.modified, row.status, *classes, row.model, row.problem]
        return ",".join(_cell(cell) for cell in cells)

    def read(self, line: str) -> Row:
        """Return what tells the row from others.

        Raises:
            ValueError: this is no such line.
        """
        try:
            path, size, modified, status, *_ = next(csv.reader([line]))
        except csv.Error as error:
            raise ValueError(str(error)) from error
        return Row(path, int(size) if size else None, modified or None, int(status) if status else None)


class JsonRows:
    """Lines of JSON with all classes of an answer."""

    header = ""
    opening = '{"path": '

    def line(self, row: Row) -> str:
        """Return the row without the end of its line."""
        return json.dumps({name: value for name, value in asdict(row).items() if value not in (None, ())})

    def read(self, line: str) -> Row:
        """Return what tells the row from others.

        Raises:
            ValueError: this is no such line.
        """
        fields = json.loads(line)
        if not isinstance(fields, dict) or not isinstance(fields.get("path"), str):
            raise ValueError("no path")
        if not isinstance(fields.get("status"), int | None):
            raise ValueError("no status")
        return Row(fields["path"], fields.get("bytes"), fields.get("modified"), fields.get("status"))


def path_text(path: str) -> str:
    """Return a path on one line, in characters that UTF-8 has, and such that no spreadsheet takes it for a formula."""
    text = one_line(path.replace("\\", "\\\\"))
    return f"./{text}" if text.startswith(FORMULA_STARTS) else text


def one_line(text: str) -> str:
    """Return a text on one line, in characters that UTF-8 has."""
    return _BREAKS_LINES.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def key_of(path: str, size: int | None, modified: str | None) -> tuple[int, int]:
    """Return 64 bits that tell a file from others, and 32 that tell it from itself after a change; neither is 0."""
    return _hash(path, 8), _hash(f"{size} {modified}", 4)


def _hash(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1


def _cell(value: object) -> str:
    """Return a cell of CSV, which stays a single one also where `;` divides cells, as in many languages."""
    if value is None:
        return ""
    text = one_line(str(value))
    if isinstance(value, str) and text.startswith(FORMULA_STARTS):
        text = f"'{text}"
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if _NEEDS_QUOTES.search(text) else text
