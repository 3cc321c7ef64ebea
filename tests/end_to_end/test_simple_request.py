"""The simple client, as a process, with the real service."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.services import Services, run_script, wait_until
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import CASTLE, MakeSettings, picture
from tools.embedded_redis import free_port

COLOURS_SENT = ("blue", "red", "white")


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings(web_processes=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures and a file that is not one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for colour in COLOURS_SENT:
        (folder / f"{colour}.PNG").write_bytes(picture(colour))
    (folder / "notes.txt").write_text("no picture")
    return folder


def simple(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return run_script("simple_request.py", *map(str, arguments))


def test_one_picture_gives_five_lines(url: str, folder: Path) -> None:
    done = simple(folder / "red.PNG", "--url", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1. red: 1.0000\n2. ")
    assert done.stdout.count("\n") == 5


def test_the_classes_of_several_pictures_are_printed_under_their_names(url: str, folder: Path) -> None:
    done = simple(CASTLE, folder, "--url", f"{url}/")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[::6] == [f"{CASTLE}:", *(f"{folder}/{colour}.PNG:" for colour in COLOURS_SENT)]
    assert [line.split(":")[0] for line in lines[7::6]] == [f"1. {colour}" for colour in COLOURS_SENT]


def test_a_picture_can_come_from_standard_input(url: str) -> None:
    command = [sys.executable, "simple_request.py", "-", "--url", url]
    printed = subprocess.run(command, cwd=PROJECT_DIR, input=picture("green"), capture_output=True, check=True).stdout
    assert printed.startswith(b"1. green:")


def test_json_is_one_object_per_line_and_after_an_invalid_picture_the_others_are_still_sent(
    url: str, folder: Path
) -> None:
    (folder / "broken.png").write_text("no picture")
    done = simple("--json", folder, "/no/such.png", "--url", url)
    assert done.returncode == 1
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["image"]).stem for answer in answers] == ["blue", "broken", "red", "white", "such"]
    assert [answer["success"] for answer in answers] == [True, False, True, True, False]
    assert answers[2]["predictions"][0]["label"] == "red"
    assert answers[1]["status"] == 400
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [f"{folder}/broken.png", "/no/such.png"]


def test_it_waits_for_a_service_that_starts_later(services: Services, folder: Path) -> None:
    port = free_port()
    command = [sys.executable, "simple_request.py", "--wait", "100", "--url", f"http://127.0.0.1:{port}"]
    client = services.start_command([*command, str(folder / "red.PNG")])
    web_server = services.start("run_web_server.py", PORT=port, LOG_LEVEL="debug")
    wait_until(lambda: "path=/readyz status=503" in web_server.output)
    assert client.popen.poll() is None
    services.start_worker()
    assert client.popen.wait(60) == 0
    assert client.output.startswith("1. red:")


def test_it_waits_no_longer_than_it_is_told(services: Services) -> None:
    _, url = services.start_web_server()
    done = simple("--wait", "0.1", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{url}: not ready: No worker is alive.\n"


def test_it_says_that_the_service_does_not_trust_the_host(services: Services, folder: Path) -> None:
    _, url = services.start_web_server(TRUSTED_HOSTS="pictures.example.com")
    done = simple(folder / "red.PNG", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(" is not trusted. Use a name that TRUSTED_HOSTS of the service lists.\n")


def test_it_reports_that_another_program_answers(services: Services) -> None:
    port = free_port()
    services.start_command([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)])
    url = f"http://127.0.0.1:{port}"
    wait_until(
        lambda: simple(CASTLE, "--url", url).stderr == f"{url}: what answers there is not the picture classifier\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["/no/such.png"], 1, "/no/such.png: No such file or directory\n"),
        ([""], 2, "argument image: a name is empty; is a variable not set?\n"),
        (["worker"], 1, "worker: no pictures in this folder\n"),
        (["--url", "127.0.0.1:5000"], 2, "'127.0.0.1:5000' is not an address such as http://127.0.0.1:5000\n"),
        (
            ["--url", "http://127.0.0.1:port"],
            2,
            "'http://127.0.0.1:port' is not an address such as http://127.0.0.1:5000\n",
        ),
        (
            ["--url", "http://127.0.0.1:1"],
            1,
            "http://127.0.0.1:1: nobody answers there; `make run` starts the service\n",
        ),
        (["--wait", "-1"], 2, "'-1': must be positive\n"),
        (["--wait", "1e10"], 2, "'1e10': must be at most 2,000,000 s\n"),
        (["--wait", "soon"], 2, "'soon': must be positive\n"),
        (["--api-key", "secret\nkey"], 2, "contains characters that a key cannot have\n"),
    ],
)
def test_errors_are_reported_in_one_line(arguments: list[str], code: int, message: str) -> None:
    done = simple(*arguments)
    assert done.returncode == code
    assert done.stderr.endswith(message)
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_ctrl_c_ends_it_quietly(services: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = services.start_command([sys.executable, "simple_request.py", "--url", url])
        connection, _ = server.accept()
        with connection:
            assert client.stop(signal.SIGINT) == 130
    assert client.output == ""


def test_help_shows_examples() -> None:
    assert "python simple_request.py --json photos/" in simple("--help").stdout
