"""The clients when nobody reads what they print, or the disk is full; each is a process, as its end matters."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from project import PROJECT_DIR
from tests.support.busy_service import Busy

FULL_DISK = "standard output: No space left on device\n"


@pytest.fixture
def unread() -> Iterator[IO[bytes]]:
    """A pipe like that of `| true`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        yield pipe


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    """A file on a full disk."""
    with open("/dev/full", "wb") as file:
        yield file


def run(output: IO[bytes], *command: object) -> tuple[int, str]:
    """Run a client and return its exit code and what it has said on standard error."""
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, cwd=PROJECT_DIR, stdout=output, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


def test_the_figures_of_a_load_are_saved_although_nobody_reads_the_report(
    unread: IO[bytes], busy: Busy, tmp_path: Path
) -> None:
    command = ["stress_test.py", "--requests", 2, "--json", tmp_path / "r.json", "--url", busy.url]
    assert run(unread, *command) == (0, "")
    assert json.loads((tmp_path / "r.json").read_text())["outcomes"] == {"200": 2}


def test_the_figures_of_a_load_are_saved_although_the_report_cannot_be_written(
    full: IO[bytes], busy: Busy, tmp_path: Path
) -> None:
    command = ["stress_test.py", "--requests", 2, "--json", tmp_path / "r.json", "--url", busy.url]
    assert run(full, *command) == (1, FULL_DISK)
    assert json.loads((tmp_path / "r.json").read_text())["outcomes"] == {"200": 2}


def test_a_table_is_complete_although_nobody_reads_the_summary(unread: IO[bytes], busy: Busy, tmp_path: Path) -> None:
    assert run(unread, "classify.py", "castle_image.jpg", "--out", tmp_path / "t.csv", "--url", busy.url) == (0, "")


def test_a_summary_that_cannot_be_written_is_not_mistaken_for_the_table(
    full: IO[bytes], busy: Busy, tmp_path: Path
) -> None:
    code = run(full, "classify.py", "castle_image.jpg", "--out", tmp_path / "t.csv", "--url", busy.url)
    assert code == (1, FULL_DISK)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_more_pictures_are_sent_when_nobody_reads_the_answers(
    options: list[str], unread: IO[bytes], busy: Busy
) -> None:
    pictures = ["castle_image.jpg"] * 3
    assert run(unread, "simple_request.py", *pictures, *options, "--url", busy.url) == (1, "")
    assert len(busy.bodies) == 1


def test_no_more_pictures_are_sent_when_the_answers_cannot_be_written(full: IO[bytes], busy: Busy) -> None:
    pictures = ["castle_image.jpg"] * 3
    assert run(full, "simple_request.py", *pictures, "--url", busy.url) == (1, FULL_DISK)
    assert len(busy.bodies) == 1


def test_the_report_is_printed_although_the_figures_cannot_be_saved(busy: Busy, tmp_path: Path) -> None:
    with (tmp_path / "printed").open("wb") as output:
        command = ["stress_test.py", "--requests", 2, "--json", "/dev/full", "--url", busy.url]
        assert run(output, *command) == (1, "/dev/full: No space left on device\n")
    assert (tmp_path / "printed").read_text().startswith("2 requests in ")
