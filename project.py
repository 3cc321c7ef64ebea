"""Where this project lies, its version, and whether its file `.env` can be read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv.parser import parse_stream

PROJECT_DIR = Path(__file__).resolve().parent
VERSION = "0.1.0"


@contextmanager
def reading_env_file(path: Path) -> Iterator[None]:
    """End the program with one line when `.env` cannot be read."""
    try:
        if path.is_file():
            _check_lines(path)
        yield
    except UnicodeDecodeError:
        sys.exit(".env is not text in UTF-8; save it as UTF-8")
    except OSError as error:
        sys.exit(f".env cannot be read: {error.strerror}")


def _check_lines(path: Path) -> None:
    """End the program at a line that python-dotenv would skip: the service must not start without its API keys."""
    with path.open(encoding="utf-8") as file:
        for key, value, (text, line), error in parse_stream(file):
            if error or (key and value is None):
                # Blank lines belong to what follows them.
                line += text[: -len(text.lstrip())].count("\n")
                sys.exit(f".env, line {line}, is not of the form NAME=value; is a quote not closed?")
