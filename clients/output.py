"""Standard output, which may be a pipe that nobody reads any more, or a file on a full disk."""

import os
import sys


def show(text: str) -> None:
    """Print at once.

    Raises:
        BrokenPipeError: nobody reads it any more, so there is nothing to complain about.
        OSError: it cannot be written; "standard output" is the error's file name.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        # At its end the interpreter writes what is left, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        error.filename = "standard output"
        raise


def show_last(text: str) -> int:
    """Print what is left to say, and return the exit code: 0 also where nobody reads it."""
    try:
        show(text)
    except BrokenPipeError:
        return 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
