"""Which files a command line names: in order, once, through any folders, and never round in circles."""

import itertools
import os
import subprocess
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from clients.walk import Found, walk


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures and others in folders."""
    for name in ("b/2.jpg", "b/1.PNG", "b/c/3.heic", "a.jpg", "b.jpg", "b/notes.txt", ".hidden/4.jpg", "b/.5.jpg"):
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "top"


def paths(*names: str) -> list[str]:
    found = list(walk(names))
    assert [each.problem for each in found] == [None] * len(found)
    return [each.path for each in found]


def test_the_pictures_below_a_folder_come_in_the_order_of_their_names(top: Path) -> None:
    expected = ["top/a.jpg", "top/b.jpg", "top/b/1.PNG", "top/b/2.jpg", "top/b/c/3.heic"]
    assert paths("top") == paths("./top//") == expected
    assert paths(str(top)) == [f"{top.parent}/{path}" for path in expected]


def test_a_pattern_for_everything_means_the_current_folder(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top)
    assert paths("**") == paths(".")
    assert paths(".")


def test_what_is_named_itself_is_taken_whatever_it_is_called(top: Path) -> None:
    assert paths("top/b/notes.txt", "top/.hidden", "no/such.jpg") == [
        "top/b/notes.txt",
        "top/.hidden/4.jpg",
        "no/such.jpg",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("top/*.jpg", ["top/a.jpg", "top/b.jpg"]),
        ("top/**/*.jpg", ["top/a.jpg", "top/b.jpg", "top/b/2.jpg"]),
        ("top/b/[12].*", ["top/b/1.PNG", "top/b/2.jpg"]),
        ("*/b/?.jpg", ["top/b/2.jpg"]),
        ("*/b/notes.txt", ["top/b/notes.txt"]),
        ("top/[b]", ["top/b/1.PNG", "top/b/2.jpg", "top/b/c/3.heic"]),
        ("top/b/**", ["top/b/1.PNG", "top/b/2.jpg", "top/b/c/3.heic"]),
    ],
)
def test_a_pattern_stands_for_what_it_matches(pattern: str, expected: list[str], top: Path) -> None:
    assert paths(pattern) == expected
    assert paths(f"{top.parent}/{pattern}") == [f"{top.parent}/{path}" for path in expected]


def test_a_pattern_that_matches_nothing_is_a_problem_and_a_file_of_that_name_is_none(top: Path) -> None:
    assert list(walk(["top/*.gif"])) == [Found("top/*.gif", "No file has such a name")]
    (top / "*.gif").touch()
    assert paths("top/*.gif") == ["top/*.gif"]


@pytest.mark.parametrize("name", ["top/*", "top/answers.csv", "top/link.csv"])
def test_the_table_is_left_out_however_it_is_named(name: str, top: Path) -> None:
    before = list(walk([name])) if name.endswith("*") else []
    (top / "answers.csv").touch()
    (top / "link.csv").symlink_to("answers.csv")
    assert list(walk([name], Path("top/b/../answers.csv"))) == before


def test_links_to_folders_are_not_followed_and_what_is_no_file_is_left_out(top: Path) -> None:
    before = paths("top")
    (top / "b" / "round.jpg").symlink_to(top, target_is_directory=True)
    (top / "b" / "round").symlink_to(top, target_is_directory=True)
    os.mkfifo(top / "pipe.jpg")
    assert paths("top") == before
    assert paths("top/**/*.heic") == ["top/b/c/3.heic"]
    (top / "z.jpg").symlink_to("a.jpg")
    assert paths("top") == [*before, "top/z.jpg"]


def test_links_that_lead_nowhere_are_found_so_that_somebody_hears_of_them(top: Path) -> None:
    before = paths("top")
    (top / "y.jpg").symlink_to("nowhere")
    (top / "z.jpg").symlink_to("z.jpg")
    assert paths("top") == [*before, "top/y.jpg", "top/z.jpg"]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("top", ["top/a.jpg", "top/b.jpg"]),
        ("top/**", ["top/a.jpg", "top/b.jpg"]),
        ("top/**/*.jpg", ["top/a.jpg", "top/b.jpg"]),
        ("top/*/*.jpg", []),
        ("top/*/1.PNG", []),
        ("top/b/*", []),
    ],
)
def test_a_folder_that_cannot_be_read_is_a_problem_once_and_the_others_are_walked(
    name: str, files: list[str], top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir, lstat = os.scandir, os.lstat

    def refuse(function: Callable[[str], object], path: str) -> object:
        if (path if function is scandir else os.path.dirname(path)) == "top/b":
            raise PermissionError(13, "Permission denied")
        return function(path)

    # No mode would keep the superuser out.
    monkeypatch.setattr(os, "scandir", partial(refuse, scandir))
    monkeypatch.setattr(os, "lstat", partial(refuse, lstat))
    assert list(walk([name])) == [*map(Found, files), Found("top/b", "Permission denied")]


@pytest.mark.parametrize("name", ["d", "d/**/*.jpg"])
def test_folders_may_lie_in_each_other_deeper_than_python_calls_functions(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deepest = "d" + "/d" * 1500
    for depth in range(1, len(deepest) + 1, 2):
        os.mkdir(deepest[:depth])
    Path(f"{deepest}/1.jpg").touch()
    try:
        assert paths(name) == [f"{deepest}/1.jpg"]
    finally:  # pytest removes old folders with a function that calls itself
        subprocess.run(["rm", "-r", "d"], check=True)


def test_only_one_folder_at_a_time_is_in_memory(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / str(number)).mkdir()
        for name in range(100):
            (tmp_path / str(number) / f"{name}.jpg").touch()

    tracemalloc.start()
    assert sum(1 for _ in itertools.islice(walk([str(tmp_path)]), 4001)) == 4000
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The paths of all files are 400 KB.
    assert peak_bytes < 60_000
