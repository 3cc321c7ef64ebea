"""A very short run of what `make bench` does for longer, with a network that costs nothing in all places."""

import json
from pathlib import Path

import pytest

from benchmarks.bench.__main__ import PARTS, run
from benchmarks.bench.pace import SMOKE
from benchmarks.bench.row import Row, at_least, at_most, table
from benchmarks.bench.summary import summary

PNG = b"\x89PNG\r\n\x1a\n"
# Of the targets that have nothing to do with how fast this machine is now.
STEADY = [
    "sent to Redis for a picture (INFO, net input)",
    "requests that failed",
    "workers with TensorFlow in their memory (/proc/PID/maps)",
]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], Path]:
    folder = tmp_path_factory.mktemp("bench")
    names = [part.name for part in PARTS if part.name != "original-resnet50"]
    return run(SMOKE, names, folder, folder / "report.json", folder / "report.png"), folder


def test_a_run_has_a_row_for_each_target(smoke: tuple[list[Row], Path]) -> None:
    rows, folder = smoke
    report = json.loads((folder / "report.json").read_text())
    assert [row["what"] for row in report["rows"]] == [row.what for row in rows]
    assert set(report["parts"]) == {"resnet50", "costless", "original", "scaling", "start", "sizes"}
    assert {row.part for row in rows} == {*report["parts"], "all"}
    wanted = {
        "images/s at 8",
        "images/s at 32",
        "latency",
        "memory",
        "sent to Redis",
        "poll",
        "linear",
        "start",
        "decoding",
    }
    assert [words for words in wanted if not any(words in row.what for row in rows)] == []
    assert all(row.what in summary(rows, report) for row in rows)


def test_what_does_not_depend_on_the_machine_is_reached(smoke: tuple[list[Row], Path]) -> None:
    rows, _ = smoke
    missed = [row for row in rows if not row.good and (row.what in STEADY or "poll" in row.what)]
    assert missed == []


def test_the_original_polls_and_sends_four_times_as_much(smoke: tuple[list[Row], Path]) -> None:
    parts = json.loads((smoke[1] / "report.json").read_text())["parts"]
    original, service = parts["original"]["redis_cost"], parts["costless"]["redis_cost"]
    assert original["commands"]["get"] > 1
    assert original["bytes_in"] > 3.9 * service["bytes_in"]


def test_the_graphs_are_a_picture(smoke: tuple[list[Row], Path]) -> None:
    assert (smoke[1] / "report.png").read_bytes().startswith(PNG)


def test_the_table_tells_what_was_missed() -> None:
    lines = table([at_least("p", "high", 0.5, 0.9), at_most("p", "low", 3.0, 4, "ms")]).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["high", ">=", "0.9", "0.5", "MISS"],
        ["low", "<=", "4", "ms", "3", "ms", "pass"],
    ]
