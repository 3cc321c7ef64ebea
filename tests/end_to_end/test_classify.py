"""Folders through the real service, with `classify.py` as a process."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.picture_folder import TableCheck, make_files
from benchmarks.services import Services, run_script, wait_until
from clients.classify import GRACE_S
from settings import Settings
from tests.conftest import MakeSettings, picture
from tests.support.busy_service import busy_service
from tools.embedded_redis import free_port


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two pictures, a file that is none, and one that cannot be opened."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    (folder / "red.png").write_bytes(picture("red"))
    (folder / "more" / "=blue.jpg").write_bytes(picture("blue", "JPEG"))
    (folder / "broken.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no picture either")
    (folder / "round.jpg").symlink_to("round.jpg")
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "classify.py", *map(str, arguments)]


def classify(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return run_script("classify.py", *map(str, arguments))


def rows(table: Path) -> dict[str, dict[str, str]]:
    """Return the last row of each file, by the file's name."""
    with table.open(newline="") as file:
        return {Path(row["path"]).name: row for row in csv.DictReader(file)}


def test_each_file_gets_one_row_and_a_bad_one_does_not_keep_the_others_from_theirs(
    url: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    done = classify(photos, "--out", out, "--url", url)
    assert done.returncode == 1
    assert done.stdout.endswith("a second\n  classified: 2\n  not pictures: 1\n  failed: 1\n")
    found = rows(out)
    assert len(found) == out.read_text().count("\n") - 1 == 4
    assert [found[name]["label"] for name in ("red.png", "=blue.jpg")] == ["red", "blue"]
    assert float(found["red.png"]["probability"]) > 0.9
    assert found["broken.jpg"]["status"] == "400"
    assert found["broken.jpg"]["problem"].startswith("Not a picture: This is not a picture that can be read;")
    assert found["round.jpg"]["problem"] == "Too many levels of symbolic links"
    assert found["red.png"]["bytes"] == str((photos / "red.png").stat().st_size)


def test_files_that_are_no_pictures_are_no_failure_and_json_has_all_classes(
    url: str, photos: Path, tmp_path: Path
) -> None:
    (photos / "round.jpg").unlink()
    out = tmp_path / "answers.jsonl"
    done = classify(f"{photos}/**/*.[jp]*", photos / "notes.txt", "--out", out, "--url", url)
    assert done.returncode == 0, done.stderr
    answers = {Path(row["path"]).name: row for row in map(json.loads, out.read_text().splitlines())}
    assert sorted(answers) == ["=blue.jpg", "broken.jpg", "notes.txt", "red.png"]
    assert answers["red.png"]["predictions"][0]["label"] == "red"
    assert len(answers["red.png"]["predictions"]) == 5
    assert answers["red.png"]["model"] == "colours"
    assert answers["notes.txt"]["status"] == 400


def test_resuming_sends_what_is_new_or_changed_or_failed_and_nothing_else(
    url: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    arguments = [photos, "--out", out, "--url", url]
    assert classify(*arguments).returncode == 1
    refused = classify(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"{out} exists; --resume goes on with it, --overwrite replaces it\n"
    with out.open("ab") as table:
        table.write(b"torn,1")
    (photos / "red.png").write_bytes(picture("green"))
    (photos / "round.jpg").unlink()
    (photos / "round.jpg").write_bytes(picture("white", "JPEG"))
    (photos / "new.gif").write_bytes(picture("black", "GIF"))
    resumed = classify(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.endswith("  classified: 3\n  done before: 2\n")
    found = rows(out)
    assert {name: row["label"] for name, row in found.items()} == {
        "red.png": "green",
        "round.jpg": "white",
        "new.gif": "black",
        "=blue.jpg": "blue",
        "broken.jpg": "",
    }
    again = classify(*arguments, "--resume")
    assert again.stdout.endswith("  classified: 0\n  done before: 5\n")
    assert classify(*arguments, "--overwrite").stdout.endswith("  classified: 4\n  not pictures: 1\n")


def test_a_file_that_is_named_twice_is_sent_once(url: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.csv"
    red = photos / "red.png"
    done = classify(red, photos / "more", photos / "more" / "*.jpg", red, "--out", out, "--url", url)
    assert done.stdout.endswith("  classified: 2\n  done before: 2\n")


def test_a_table_among_the_pictures_is_not_sent(url: str, photos: Path) -> None:
    arguments = [f"{photos}/more/*", "--out", photos / "more" / "answers.csv", "--url", url]
    assert classify(*arguments).stdout.endswith("  classified: 1\n")
    assert classify(*arguments, "--resume").stdout.endswith("  classified: 0\n  done before: 1\n")


def test_a_signal_ends_it_with_whole_rows_and_resuming_completes_the_table(
    url: str, services: Services, tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "answers.csv"
    make_files(photos, 200)
    arguments = command(photos, "--out", out, "--concurrency", 2, "--url", url)
    rows_before = 0
    for number, rows_at_least in ((signal.SIGINT, 20), (signal.SIGTERM, 60)):
        client = services.start_command(arguments + ["--resume"] * bool(rows_before))
        wait_until(lambda: out.exists() and out.read_text().count("\n") > rows_at_least)  # noqa: B023
        assert client.stop(number) == 130
        assert f"Interrupted. The same command with --resume goes on with {out}.\n" in client.output
        rows = TableCheck.of(out, photos).lines
        assert f"{rows - rows_before} files in " in client.output
        assert rows_before < rows < 200
        rows_before = rows
    resumed = services.start_command([*arguments, "--resume"])
    assert resumed.popen.wait(60) == 0
    assert f"done before: {rows_before}\n" in resumed.output
    check = TableCheck.of(out, photos)
    assert (check.lines, check.good) == (200, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_wait_for_answers(
    number: signal.Signals, services: Services, photos: Path, tmp_path: Path
) -> None:
    with busy_service() as busy:
        busy.answers.clear()
        client = services.start_command(command(photos / "red.png", "--out", tmp_path / "t.csv", "--url", busy.url))
        wait_until(lambda: busy.bodies)
        client.popen.send_signal(number)
        wait_until(lambda: "Ending; 1 files are in flight. Ctrl-C again gives them up." in client.output)
        began = time.monotonic()
        assert client.stop(number) == 130
        assert time.monotonic() - began < GRACE_S
    assert "0 files in " in client.output


def test_no_file_fails_while_the_service_is_away(services: Services, tmp_path: Path) -> None:
    photos, out, count = tmp_path / "photos", tmp_path / "answers.csv", 300
    make_files(photos, count)
    with busy_service() as busy:
        busy.answers.clear()
        client = services.start_command(command(photos, "--out", out, "--concurrency", 4, "--url", busy.url))
        wait_until(lambda: len(busy.bodies) == 4)
    wait_until(lambda: "The service does not classify (no answer: connection refused); trying again." in client.output)
    rows_before = out.read_text().count("\n") - 1
    assert 4 <= rows_before < count
    with busy_service(busy.server_port):
        assert client.popen.wait(60) == 0
    assert "The service classifies again." in client.output
    assert f"classified: {count}\n" in client.output
    check = TableCheck.of(out, photos)
    assert (check.lines, check.twice, check.missing) == (count, 0, 0)


def test_a_service_that_does_not_trust_the_host_ends_the_run_and_every_picture_is_sent_later(
    services: Services, photos: Path, tmp_path: Path
) -> None:
    services.start_worker()
    arguments = [photos / "red.png", photos / "more", "--out", tmp_path / "t.csv"]
    _, url = services.start_web_server(TRUSTED_HOSTS="pictures.example.com")
    done = classify(*arguments, "--wait", "60", "--url", url)
    assert (done.returncode, rows(tmp_path / "t.csv")) == (1, {})
    reason = "the service does not answer for this host; pass a name that its TRUSTED_HOSTS lists with --url"
    assert done.stderr.startswith(f"{reason}. The same command with --resume goes on")
    _, url = services.start_web_server(TRUSTED_HOSTS="127.0.0.1")
    resumed = classify(*arguments, "--resume", "--wait", "60", "--url", url)
    assert (resumed.returncode, resumed.stdout.endswith("  classified: 2\n")) == (0, True), resumed


def test_a_service_that_refuses_for_too_long_ends_the_run_which_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    with busy_service() as busy:
        busy.statuses, busy.retry_after = [503] * 4, "700"
        done = classify(photos, "--out", tmp_path / "t.csv", "--url", busy.url)
    assert done.returncode == 1
    reason = "the service wants to be asked again in 700 s: of the service"
    assert done.stderr == f"{reason}. The same command with --resume goes on with {tmp_path}/t.csv.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "answers.parquet"], 1, "answers.parquet: the name of a table ends in .csv or .jsonl\n"),
        (["--out", "/no/such/answers.csv"], 1, "/no/such/answers.csv: No such file or directory\n"),
        ([], 2, "the following arguments are required: --out\n"),
        (["--out", "a.csv", "--resume", "--overwrite"], 2, "--overwrite: not allowed with argument --resume\n"),
        (["--out", "a.csv", "--concurrency", "0"], 2, "argument --concurrency: '0': must be positive\n"),
    ],
)
def test_errors_are_reported_in_one_line(arguments: list[str], code: int, message: str, url: str) -> None:
    done = classify("castle_image.jpg", "--url", url, *arguments)
    assert done.returncode == code
    assert done.stderr.endswith(message)
    assert "Traceback" not in done.stderr


def test_an_empty_name_is_refused_and_does_not_stand_for_the_current_folder(tmp_path: Path) -> None:
    done = classify("", "--out", tmp_path / "t.csv")
    assert done.returncode == 2
    assert done.stderr.endswith("classify.py: error: argument path: a name is empty; is a variable not set?\n")


def test_without_a_service_nothing_is_written(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = classify("castle_image.jpg", "--out", tmp_path / "t.csv", "--wait", "0.1", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{url}: nobody answers there; `make run` starts the service\n"
    assert not (tmp_path / "t.csv").exists()
