"""The load generator, with the real service."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image

import stress_test
from benchmarks.services import Process, Services, run_script, wait_until
from clients import stress
from clients.load import Load
from clients.sender import Sender
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import MakeSettings, picture
from tools.embedded_redis import free_port


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings()


def run_stress(*arguments: object) -> int:
    return stress_test.main([str(argument) for argument in arguments])


def start_stress(services: Services, *arguments: object) -> Process:
    return services.start_command([sys.executable, "stress_test.py", *map(str, arguments)])


@contextmanager
def suspended(server: Process) -> Iterator[None]:
    """Suspend a server's processes during the block, as if they hung."""
    server.signal_group(signal.SIGSTOP)
    try:
        wait_until(lambda: set(states(server)) == {"T"})
        yield
    finally:
        server.signal_group(signal.SIGCONT)


def states(server: Process) -> Iterator[str]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(folder.name)) == server.popen.pid:
                yield (folder / "stat").read_text().rpartition(")")[2].split()[0]


def sockets(process: Process) -> int:
    """Count the open sockets of a process."""
    count = 0
    for file in Path(f"/proc/{process.popen.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(file).startswith("socket:")
    return count


def test_by_default_500_requests_are_sent_one_every_50_ms(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(Load, "open_loop", lambda _self, *arguments: begun.append(arguments))
    assert run_stress() == 1
    assert begun == [(1 / 0.05, 500)]
    assert "0 requests" in capsys.readouterr().out


@pytest.mark.parametrize("loop", [["--concurrency", "8"], ["--rate", "200"]])
def test_each_loop_sends_all_requests_reports_them_and_joins_its_threads(
    loop: list[str], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(threading.enumerate())
    assert run_stress("--requests", 40, *loop, "--url", url) == 0
    assert set(threading.enumerate()) <= before
    printed = capsys.readouterr().out
    figures = ", ".join(rf"{name} \d+ ms" for name in ("min", "p50", "p90", "p95", "p99", "max"))
    assert re.match(rf"40 requests in [\d.]+ s: [\d.]+ a second, 0 failed\n  200: 40\n  latency: {figures}\n", printed)
    bars = re.findall(r"^ +[\d.]+ to +[\d.]+ ms  #* +(\d+)$", printed, re.MULTILINE)
    assert sum(map(int, bars)) == 40


def test_the_open_loop_keeps_its_rate_while_the_server_hangs(served: tuple[Process, str]) -> None:
    web_server, url = served
    with Sender(url, [picture()], connections=60, timeout_s=60) as sender:
        load = Load(sender.send, threading.Event())
        runner = threading.Thread(target=load.open_loop, args=(100, 60))
        with suspended(web_server):
            runner.start()
            wait_until(lambda: load.results.begun == 60)
            assert load.results.samples == []
        runner.join()
    assert Counter(sample.outcome for sample in load.results.samples) == {"200": 60}
    assert sorted(sample.due_s for sample in load.results.samples) == pytest.approx([n / 100 for n in range(60)])


def test_duration_replaces_the_number_of_requests(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stress("--rate", 50, "--duration", 0.5, "--url", url) == 0
    assert "  200: 25\n" in capsys.readouterr().out
    assert run_stress("--concurrency", 2, "--duration", 0.2, "--url", url) == 0


def test_ctrl_c_ends_it_early_with_a_report(services: Services, served: tuple[Process, str]) -> None:
    web_server, url = served
    client = start_stress(services, "--requests", 100_000, "--url", url)
    answered = web_server.output.count("request_answered")
    wait_until(lambda: web_server.output.count("request_answered") > answered + 2)
    assert client.stop(signal.SIGINT) == 130
    found = re.search(r"^(\d+) requests in .*, 0 failed\n  200: (\d+)$", client.output, re.MULTILINE)
    assert found
    assert found[1] == found[2]
    assert "Traceback" not in client.output


def test_a_second_ctrl_c_gives_up_the_requests_in_flight(services: Services, served: tuple[Process, str]) -> None:
    web_server, url = served
    with suspended(web_server):
        client = start_stress(services, "--concurrency", 3, "--url", url)
        wait_until(lambda: sockets(client) == 3)
        client.popen.send_signal(signal.SIGINT)
        wait_until(lambda: "3 requests are in flight. Ctrl-C again" in client.output)
        assert client.popen.poll() is None
        assert client.stop(signal.SIGINT) == 130
    assert "0 requests in 0.0 s" in client.output
    assert "given up: 3\n" in client.output
    assert "Traceback" not in client.output


def test_ctrl_c_ends_it_quietly_while_it_reads_the_pictures(services: Services, tmp_path: Path) -> None:
    slow = tmp_path / "slow.png"
    os.mkfifo(slow)
    client = start_stress(services, "--image", slow)
    with slow.open("wb"):  # which waits until it is read
        assert client.stop(signal.SIGINT) == 130
    assert client.output == ""


def test_ctrl_c_ends_it_without_a_traceback_while_it_writes_the_figures(
    services: Services, served: tuple[Process, str], tmp_path: Path
) -> None:
    web_server, url = served
    slow = tmp_path / "report.json"
    os.mkfifo(slow)
    answered = web_server.output.count("request_answered")
    client = start_stress(services, "--requests", 1, "--json", slow, "--url", url)
    wait_until(lambda: web_server.output.count("request_answered") > answered)
    # Without connections it does nothing more but wait for somebody who reads the figures.
    wait_until(lambda: sockets(client) == 0 and set(states(client)) == {"S"})
    assert client.stop(signal.SIGINT) == 130
    assert client.output.startswith("1 requests in ")
    assert "Traceback" not in client.output


def test_a_request_that_times_out_counts_as_failed(
    served: tuple[Process, str], capsys: pytest.CaptureFixture[str]
) -> None:
    web_server, url = served
    with suspended(web_server):
        assert run_stress("--requests", 2, "--timeout", 0.1, "--url", url) == 1
    assert "  timeout: 2\n" in capsys.readouterr().out


def test_the_pictures_of_files_and_folders_are_sent_in_turn(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.png").write_bytes(picture())
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("not sent")
    images = ["--image", tmp_path, "--image", tmp_path / "good.png"]
    assert run_stress("--requests", 9, "--concurrency", 2, *images, "--url", url) == 1
    assert "3 failed\n  200: 6\n  400: 3\n" in capsys.readouterr().out


def test_the_json_and_text_reports_agree_and_the_plot_is_a_picture(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    files = ["--json", tmp_path / "report.json", "--plot", tmp_path / "plot.png"]
    options = ["--requests", 6, "--concurrency", 2, "--image", tmp_path, "--image", "castle_image.jpg"]
    assert run_stress(*options, *files, "--url", url) == 1
    figures = json.loads((tmp_path / "report.json").read_text())
    printed = capsys.readouterr().out
    assert figures["outcomes"] == {"200": 3, "400": 3}
    assert printed.startswith(f"{figures['requests']} requests in {figures['seconds']:.1f} s: ")
    assert f"{figures['requests_per_s']:.1f} a second, {figures['failed']} failed\n  200: 3\n  400: 3\n" in printed
    assert ", ".join(f"{name} {ms:.0f} ms" for name, ms in figures["latency_ms"].items()) in printed
    with Image.open(tmp_path / "plot.png") as plot:
        assert (plot.format, plot.size) == ("PNG", (900, 400))


def test_matplotlib_is_only_imported_for_a_plot(url: str) -> None:
    done = run_script("stress_test.py", "--requests", "1", "--url", url, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "urllib3" in done.stderr
    assert "matplotlib" not in done.stderr


def test_without_matplotlib_a_plot_is_refused_before_any_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stress, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match="2"):
        run_stress("--plot", "plot.png")
    assert f"{sys.prefix}/bin/pip install matplotlib" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "5", "--concurrency", "5"], "argument --concurrency: not allowed with argument --rate"),
        (["--requests", "5", "--duration", "5"], "argument --duration: not allowed with argument --requests"),
        (["--requests", "0"], "'0': must be positive"),
        (["--requests", "1.5"], "'1.5': must be a whole number"),
        (["--rate", "nan"], "'nan': must be positive"),
        (["--image", "/no/such.png"], "/no/such.png: No such file or directory"),
        (["--timeout", "1e10"], "'1e10': must be at most 2,000,000 s"),
        (["--image", ""], "argument --image: a name is empty; is a variable not set?"),
        (["--image", "worker"], "worker: no pictures in this folder"),
        (["--json", "/no/such/report.json"], "there is no folder /no/such"),
        (["--plot", "plot.doc"], "plot.doc does not end in .png"),
        (["--url", "localhost"], "'localhost' is not an address such as http://127.0.0.1:5000"),
    ],
)
def test_invalid_options_are_refused_before_any_load(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_stress(*arguments)
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_a_file_that_is_too_large_is_refused_before_any_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "large.tif"
    with path.open("wb") as large:
        large.truncate(100 * 2**20 + 1)
    with pytest.raises(SystemExit, match="2"):
        run_stress("--image", path)
    assert capsys.readouterr().err.endswith(f"{path}: It has more than 100 MiB and was not sent\n")


def test_an_unreachable_service_is_reported_as_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stress("--requests", 2, "--url", f"http://127.0.0.1:{free_port()}") == 1
    assert "  connection refused: 2\n" in capsys.readouterr().out


def test_each_thread_reuses_its_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, connected = urllib3.util.connection.create_connection, []

    def count(*arguments: Any, **options: Any) -> socket.socket:
        connected.append(arguments)
        return connect(*arguments, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", count)
    assert run_stress("--requests", 30, "--concurrency", 3, "--url", url) == 0
    assert 1 <= len(connected) <= 3


def test_a_terminal_shows_a_progress_bar_with_rate_and_failures(url: str) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, 120))
    command = [sys.executable, "stress_test.py", "--requests", "3", "--url", url]
    done = subprocess.run(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    bar = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # which a terminal raises at its end
        while chunk := terminal.read(10_000):
            bar += chunk
    assert re.search(rb"3/3 .* requests/s, failed=0, in_flight=0\]", bar)
    assert b"failed=" not in done.stdout


def test_help_shows_examples() -> None:
    assert "python stress_test.py --rate 50 --duration 60" in run_script("stress_test.py", "--help").stdout
