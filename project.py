"""Where this project lies, and its version."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parent
VERSION = "0.1.0"


@contextmanager
def reading_env_file() -> Iterator[None]:
    """End the program with one line when `.env` cannot be read."""
    try:
        yield
    except UnicodeDecodeError:
        sys.exit(".env is not text in UTF-8; save it as UTF-8")
    except OSError as error:
        sys.exit(f".env cannot be read: {error.strerror}")
