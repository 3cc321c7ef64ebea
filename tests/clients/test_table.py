"""The table: whole lines only, nothing that a spreadsheet would execute, and what it has is known again."""

import csv
import json
import resource
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from clients.hash_map import HashMap
from clients.rows import CsvRows, Row, key_of, path_text
from clients.table import Existing, Table, TableError

GOOD = Row(
    "a.jpg", 3, "2026-01-02T03:04:05.000000006Z", 200, "m", [{"label": "red", "probability": 0.5, "index": 4}] * 2
)
REFUSED = Row("b.jpg", 4, "2026-01-02T03:04:05.000000007Z", 400, problem="Not a picture: because, well")
FAILED = Row("c.jpg", 5, "2026-01-02T03:04:05.000000008Z", 500, problem="Internal error")
UNREAD = Row("d.jpg", problem="Permission denied")
ROWS = [GOOD, REFUSED, FAILED, UNREAD]

formats = pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])


def write(path: Path, rows: Iterable[Row], existing: Existing = Existing.REFUSE) -> None:
    with Table(path, existing) as table:
        for row in rows:
            assert table.append(row)


def is_done(table: Table, row: Row) -> bool:
    return not table.done.put(*key_of(row.path, row.bytes, row.modified))


def test_csv_has_the_first_class_and_json_has_all(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", ROWS)
    assert (tmp_path / "t.csv").read_text() == (
        "path,bytes,modified,status,label,probability,index,model,problem\n"
        "a.jpg,3,2026-01-02T03:04:05.000000006Z,200,red,0.5,4,m,\n"
        'b.jpg,4,2026-01-02T03:04:05.000000007Z,400,,,,,"Not a picture: because, well"\n'
        "c.jpg,5,2026-01-02T03:04:05.000000008Z,500,,,,,Internal error\n"
        "d.jpg,,,,,,,,Permission denied\n"
    )
    write(tmp_path / "t.jsonl", ROWS)
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert rows[0]["predictions"] == GOOD.predictions
    assert rows[3] == {"path": "d.jpg", "problem": "Permission denied"}


@formats
def test_what_was_answered_need_not_be_sent_again_unless_it_has_changed(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, ROWS)
    with Table(tmp_path / name, Existing.RESUME) as table:
        assert [is_done(table, row) for row in ROWS] == [True, True, False, False]
        assert not is_done(table, Row("a.jpg", 3, "2026-01-02T03:04:05.000000007Z"))
        assert not is_done(table, Row("a.jpg", 4, GOOD.modified))


@formats
def test_of_several_rows_of_a_path_the_last_one_counts(name: str, tmp_path: Path) -> None:
    changed = replace(GOOD, modified=REFUSED.modified, status=400)
    write(tmp_path / name, [GOOD, changed, FAILED, replace(FAILED, status=200), REFUSED, replace(REFUSED, status=500)])
    with Table(tmp_path / name, Existing.RESUME) as table:
        assert [is_done(table, row) for row in (GOOD, FAILED, REFUSED)] == [False, True, False]


@formats
def test_wherever_a_line_was_torn_the_whole_ones_before_it_stay(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path, ROWS[:2])
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        kept = [line for line in lines if whole[:cut].startswith(b"".join(lines[: lines.index(line) + 1]))]
        with Table(path, Existing.RESUME) as table:
            assert is_done(table, REFUSED) is False
            table.append(FAILED)
        header = lines[:1] if name == "t.csv" else []
        assert path.read_bytes().splitlines(keepends=True)[:-1] == (kept or header)


@formats
def test_each_row_is_one_line_whatever_it_contains(name: str, tmp_path: Path) -> None:
    bad = "x\n\r,\"'\u2028\x00\udcff\\n;é.jpg"
    row = Row(path_text(bad), 1, "t", 200, bad, [{"label": bad, "probability": 1.0, "index": 0}], bad)
    write(tmp_path / name, [row, row])
    text = (tmp_path / name).read_text("utf-8")
    assert len(text.splitlines()) == text.count("\n") == (3 if name == "t.csv" else 2)
    with Table(tmp_path / name, Existing.RESUME) as table:
        assert is_done(table, row)


def test_different_paths_stay_different() -> None:
    names = ["a\nb", "a\\nb", "a\\\nb", "a\udc8ab", "a\\udc8ab"]
    assert len({path_text(name) for name in names}) == len(names)


@pytest.mark.parametrize("start", "=+-@")
def test_no_cell_is_a_formula(start: str, tmp_path: Path) -> None:
    text = f'{start}HYPERLINK("http://x.example","y")'
    row = Row(path_text(text), 1, "t", 200, text, [{"label": text, "probability": 1.0, "index": 0}], text)
    write(tmp_path / "t.csv", [row])
    with (tmp_path / "t.csv").open(newline="") as file:
        cells = list(csv.reader(file))[1]
    assert not [cell for cell in cells if cell.startswith(start)]
    assert cells[0] == f"./{text}"


def test_a_cell_stays_one_where_semicolons_divide_cells(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [Row("a;=1+1.jpg", 1, "t", 400, problem='say "x";=2')])
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == '"a;=1+1.jpg",1,t,400,,,,,"say ""x"";=2"'


def test_a_table_that_is_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, [GOOD])
    with pytest.raises(TableError, match=r"t.csv exists; --resume goes on with it, --overwrite replaces it$"):
        Table(path, Existing.REFUSE)
    write(path, [REFUSED], Existing.RESUME)
    assert path.read_text().count("\n") == 3
    write(path, [REFUSED], Existing.OVERWRITE)
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "path,of,another,program"),
        ("t.csv", f"{CsvRows.header},mine\n"),
        ("t.jsonl", "path,of,another,program"),
    ],
)
def test_another_file_is_never_gone_on_with(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TableError, match="is not a table of this program"):
        Table(path, Existing.RESUME)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "line", ["[]", '{"path": 1}', '{"path": "a.jpg", "status": "abc"}', '{"path": "\\ud800", "status": 200}', "}"]
)
def test_a_damaged_line_is_no_row_and_the_others_are_kept(line: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    write(path, [GOOD])
    with path.open("a") as file:
        file.write(f"{line}\n")
    write(path, [REFUSED], Existing.RESUME)
    with Table(path, Existing.RESUME) as table:
        assert [is_done(table, row) for row in (GOOD, REFUSED)] == [True, True]


def test_two_runs_cannot_write_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with Table(path, Existing.REFUSE) as table:
        table.append(GOOD)
        for existing in (Existing.RESUME, Existing.OVERWRITE):
            with pytest.raises(TableError, match="is being written by another run"):
                Table(path, existing)
    assert path.read_text().count("\n") == 2


def test_a_row_that_does_not_fit_on_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, [GOOD])
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Table(path, Existing.RESUME) as table:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                table.append(FAILED)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == whole


def test_after_its_end_a_table_takes_no_rows(tmp_path: Path) -> None:
    with Table(tmp_path / "t.csv", Existing.REFUSE) as table:
        pass
    assert not table.append(GOOD)


def test_each_file_is_remembered_in_36_bytes_at_most() -> None:
    files = HashMap()
    keys = [key_of(str(number), number, "t") for number in range(20_000)]
    assert all(files.put(*key) for key in keys)
    assert not any(files.put(*key) for key in keys)
    assert len(files) == 20_000
    assert files.size_bytes <= 36 * len(files)
