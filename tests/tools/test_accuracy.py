"""How often the real service is right, with a network that names colours, and pictures of colours."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.services import Process, run_script, wait_until
from project import PROJECT_DIR
from tests.conftest import picture
from tools.accuracy_report import Report
from tools.embedded_redis import free_port
from tools.labelled_pictures import LabelError, LabelledPicture, find_labelled

CASTLE, CRANE_BIRD = "n02980441", "n02012849"
BROKEN = "This is not a picture that can be read; send one of JPEG, PNG, WEBP, GIF, TIFF, BMP, AVIF, HEIC."
# Two of the five labels are wrong.
MIXED = {"red/1.png": "red", "red/2.png": "red", "red/3.png": "blue", "blue/1.png": "blue", "cyan/1.png": "black"}
MIXED_TEXT = """\
pictures: 5
model: colours in float32
right at first guess: 60.0 % (3)
right in the first five: FIVE
failed: 0
worst classes, by right first guesses:
    0.0 % of 1  cyan
   66.7 % of 3  red
most frequent confusions:
      1  cyan -> black
      1  red -> blue
"""


def fill(folder: Path, colours: dict[str, str]) -> Path:
    """Write a picture of one colour for each path."""
    for path, colour in colours.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(picture(colour))
    return folder


def run_accuracy(*arguments: object) -> "subprocess.CompletedProcess[str]":
    done = run_script("-m", "tools.accuracy", *map(str, arguments))
    assert "Traceback" not in done.stderr
    return done


def test_a_subfolders_name_is_the_label_and_wrong_labels_are_counted(url: str, tmp_path: Path) -> None:
    done = run_accuracy(fill(tmp_path / "mixed", MIXED), "--url", url, "--json", tmp_path / "report.json")
    report = Report.read(tmp_path / "report.json")
    five = sum(one.label in [guess.label for guess in one.predictions] for one in report.pictures)
    assert five >= 3
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == MIXED_TEXT.replace("FIVE", f"{20 * five:.1f} % ({five})")


def test_the_json_has_the_figures_and_five_predictions_of_each_picture(url: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    run_accuracy(fill(tmp_path / "mixed", MIXED), "--url", url, "--json", file)
    written = json.loads(file.read_text())
    assert written["summary"]["right_first_share"] == 0.6
    assert written["summary"]["worst_classes"][0] == {"label": "cyan", "pictures": 1, "right_first": 0}
    assert [one["path"] for one in written["pictures"]] == sorted(MIXED)
    assert {len(one["predictions"]) for one in written["pictures"]} == {5}
    assert written["pictures"][0]["predictions"][0]["label"] == "blue"
    Report.read(file).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == file.read_text()


def test_a_csv_file_has_paths_relative_to_itself_and_labels(url: str, tmp_path: Path) -> None:
    fill(tmp_path / "deep", {"a, b.png": "red", "c.png": "cyan"})
    lines = ["\N{ZERO WIDTH NO-BREAK SPACE}path,label", '"deep/a, b.png", red', f"{tmp_path}/deep/c.png,cyan"]
    (tmp_path / "labels.csv").write_text("\r\n".join(lines))
    done = run_accuracy(tmp_path / "labels.csv", "--url", url)
    assert done.returncode == 0
    assert "right at first guess: 100.0 % (2)\n" in done.stdout
    assert "worst classes" not in done.stdout


def test_a_wordnet_id_before_the_underscore_is_the_class_as_the_service_names_it(url: str, tmp_path: Path) -> None:
    done = run_accuracy(fill(tmp_path, {f"{CASTLE}_1.png": "red"}), "--url", url)
    assert done.returncode == 0
    assert done.stdout.endswith("1  castle -> red\n")


def test_a_subfolder_or_a_csv_file_may_have_wordnet_ids_too(tmp_path: Path) -> None:
    fill(tmp_path, {f"{CRANE_BIRD}/more/1.png": "red", "n0298/1.png": "red"})
    (tmp_path / "labels.csv").write_text(f"path,label\nn0298/1.png,{CASTLE}\n")
    assert [found.label for found in find_labelled(tmp_path)] == ["crane", "n0298"]
    file = tmp_path / "n0298/1.png"
    assert find_labelled(tmp_path / "labels.csv") == [LabelledPicture("n0298/1.png", file, "castle")]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("n99999999_1.png", "n99999999 is not the WordNet id of one of ImageNet's 1000 classes"),
        ("n99999999/1.png", "n99999999 is not the WordNet id of one of ImageNet's 1000 classes"),
        ("castle_1.png", "these have no label: castle_1.png; move each to a subfolder"),
        (f"{CASTLE}.png", f"these have no label: {CASTLE}.png; move each to a subfolder"),
        ("castle/notes.txt", "no pictures in this folder"),
    ],
)
def test_a_picture_without_a_label_is_named(path: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=problem):
        find_labelled(fill(tmp_path, {path: "red"}))


def test_of_many_pictures_without_a_label_the_first_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r": 1\.png, 2\.png, 3\.png, 4\.png, 5\.png and 2 more; move"):
        find_labelled(fill(tmp_path, {f"{number}.png": "red" for number in range(1, 8)}))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the first line must be path,label"),
        (b"a.png,red\n", "the first line must be path,label"),
        (b"path,label\n", "no pictures"),
        (b"path,label\na.png\n", "line 2: must be path,label"),
        (b"path,label\na.png,\n", "line 2: must be path,label"),
        (b"path,label\na.png,red,blue\n", "line 2: must be path,label"),
        (b"path,label\na.png,red\n\na.png,blue\n", "line 4: a.png is listed twice"),
        (b"path,label\nb.png,red\n", "line 2: there is no file .*b.png; relative paths start at"),
        (b"path,label\na.png,n99999999\n", "line 2: n99999999 is not the WordNet id"),
        (picture(), "neither a folder nor a CSV file"),
    ],
)
def test_a_bad_csv_file_is_an_error_that_names_the_line(content: bytes, problem: str, tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": "red"})
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(LabelError, match=problem):
        find_labelled(tmp_path / "labels.csv")


def test_a_picture_that_cannot_be_read_is_not_right_and_makes_the_run_fail(url: str, tmp_path: Path) -> None:
    fill(tmp_path, {"red/1.png": "red"})
    (tmp_path / "red/2.png").write_bytes(b"no picture")
    done = run_accuracy(tmp_path, "--url", url)
    assert done.returncode == 1
    assert "right at first guess: 50.0 % (1)\n" in done.stdout
    assert f"failed: 1\n      1  {BROKEN}\n" in done.stdout
    assert "->" not in done.stdout


def test_a_comparison_tells_which_pictures_became_better_and_worse(url: str, tmp_path: Path) -> None:
    folder, before = tmp_path / "pictures", tmp_path / "before.json"
    fill(
        folder, {"red/1.png": "red", "red/2.png": "red", "red/3.png": "blue", "red/4.png": "blue", "red/old.png": "red"}
    )
    run_accuracy(folder, "--url", url, "--json", before)
    fill(folder, {"red/1.png": "cyan", "red/3.png": "red", "red/4.png": "green", "red/new.png": "red"})
    (folder / "red/2.png").write_bytes(b"no picture")
    (folder / "red/old.png").unlink()
    done = run_accuracy(folder, "--url", url, "--compare", before)
    assert done.stdout.split("\n\n")[1] == (
        "compared: 4 pictures are in both runs\n"
        "first guesses that changed: 4\n"
        "right at first guess: 50.0 % (2) before, 25.0 % (1) now\n"
        "better: 1, worse: 2\n"
        "right before, wrong now:\n"
        "  red/1.png: red -> cyan\n"
        "  red/2.png: red -> no answer\n"
    )


def test_runs_on_other_pictures_have_nothing_to_compare(url: str, tmp_path: Path) -> None:
    run_accuracy(fill(tmp_path / "a", {"red/1.png": "red"}), "--url", url, "--json", tmp_path / "a.json")
    done = run_accuracy(fill(tmp_path / "b", {"red/2.png": "red"}), "--url", url, "--compare", tmp_path / "a.json")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "compared: no picture is in both runs")


@pytest.mark.parametrize("content", [None, "", "[]", '{"pictures": []}', '{"summary": {}, "pictures": [{"path": 1}]}'])
def test_a_file_that_is_no_report_is_one_line_before_anything_is_sent(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    if content is not None:
        file.write_text(content)
    done = run_accuracy(fill(tmp_path, {"red/1.png": "red"}), "--compare", file)
    reason = "No such file or directory" if content is None else "not a report that --json of this tool has written"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{file}: {reason}\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([""], "PICTURES is required: make accuracy PICTURES=folder\n"),
        (["/no/such"], "/no/such: there is no such folder or CSV file\n"),
        ([".", "--json", "/no/such/file"], "--json /no/such/file: there is no folder /no/such\n"),
    ],
)
def test_invalid_arguments_are_one_line(arguments: list[str], problem: str, tmp_path: Path) -> None:
    fill(tmp_path, {"red/1.png": "red"})
    done = run_accuracy(*[tmp_path if argument == "." else argument for argument in arguments])
    assert (done.returncode, done.stderr) == (2, problem)


def test_without_a_service_nothing_is_sent(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run_accuracy(fill(tmp_path, {"red/1.png": "red"}), "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{url}: the service is not ready; `make run` starts it, --url names another\n"


def test_ctrl_c_ends_the_run_early_with_the_report_so_far(served: tuple[Process, str], tmp_path: Path) -> None:
    web_server, url = served
    fill(tmp_path / "many", {f"red/{number}.png": "red" for number in range(3000)})
    file = tmp_path / "report.json"
    options = ["--url", url, "--concurrency", "1", "--json", str(file)]
    command = [sys.executable, "-m", "tools.accuracy", str(tmp_path / "many"), *options]
    answered = web_server.output.count("path=/predict")
    with subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: web_server.output.count("path=/predict") > answered or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert process.returncode == 130
    sent = len(Report.read(file).pictures)
    assert 0 < sent < 3000
    assert printed.startswith(f"pictures: {sent} of 3000; the run was ended early\n")
    assert f"right at first guess: 100.0 % ({sent})\n" in printed
