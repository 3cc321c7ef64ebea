"""The timeline of one request, from logs of both formats and several processes; and the log file of `make run`."""

import io
import re
import sys
from pathlib import Path

import pytest

from benchmarks.services import run_script
from tools import request_timeline, run_log
from tools.request_timeline import events, timeline

ID = "6f0c" + "0" * 28
TEXT = f"""\
2026-01-31T12:00:00.150Z h-web run_web_server.py request_answered id={ID} method=POST path=/predict status=200 ms=50
2026-01-31T12:00:00.120Z h-worker-7-ab run_model_server.py job_claimed id={ID} attempt=1 queue_ms=0.5
2026-01-31T12:00:00.121Z h-worker-7-ab run_model_server.py job_claimed id={"1" * 32} attempt=1 queue_ms=0.5
2026-01-31T12:00:00.140Z h-worker-7-ab run_model_server.py redis_unavailable level=error ids={"1" * 32},{ID} error="a b"
"""
TIMELINE = """\
0 ms is 2026-01-31T12:00:00.100+00:00
20 ms  h-worker-7-ab  run_model_server.py  job_claimed        attempt=1 queue_ms=0.5
40 ms  h-worker-7-ab  run_model_server.py  redis_unavailable  level=error ids=IDS error="a b"
50 ms  h-web          run_web_server.py    request_answered   method=POST path=/predict status=200 ms=50"""
TIMELINE = TIMELINE.replace("IDS", f"{'1' * 32},{ID}")


def as_json(text: str) -> str:
    """The same lines as LOG_FORMAT=json would write them."""
    line = re.compile(r"(\S+) (\S+) (\S+) (\S+) (.*)\n")

    def convert(match: re.Match[str]) -> str:
        head = dict(zip(("timestamp", "server", "script", "action"), match.groups(), strict=False))
        fields = re.findall(r'(\w+)=("[^"]*"|\S+)', match[5])
        body = ", ".join(f'"{key}": {value if value[0] in QUOTE else QUOTE + value + QUOTE}' for key, value in fields)
        return "{" + ", ".join(f'"{key}": "{value}"' for key, value in head.items()) + ", " + body + "}\n"

    return line.sub(convert, text)


QUOTE = '"'


@pytest.mark.parametrize("text", [TEXT, as_json(TEXT)], ids=["text", "json"])
@pytest.mark.parametrize("prefix", ["", "12:00:00 web.1    | ", "\x1b[32m12:00:00 web.1 | \x1b[0m"])
def test_a_timeline_starts_with_the_request_and_is_in_order(text: str, prefix: str) -> None:
    lines = [prefix + line for line in text.splitlines(keepends=True)]
    assert timeline(events(lines, ID)) == TIMELINE


def test_a_prefix_of_an_id_is_enough() -> None:
    assert len(events(TEXT.splitlines(), ID[:6])) == 3


def test_a_trace_shows_all_of_its_requests() -> None:
    text = "".join(
        f"2026-01-31T12:00:00.{number}00Z h-web run_web_server.py request_answered id={number} trace_id={ID} ms=50\n"
        for number in (1, 2)
    )
    assert re.findall(r" id=(\d)", timeline(events(text.splitlines(), ID))) == ["1", "2"]


@pytest.mark.parametrize(
    "line",
    [
        f'2026-01-31T12:00:00.150Z h-web run_web_server.py request_answered id=1 path="/x id={ID}" ms=1',
        f"2026-01-31T12:00:00.150Z h-web run_web_server.py request_answered id=1 path=/{ID} ms=1",
        f'{{"timestamp": "2026-01-31T12:00:00.150Z", "id": "{ID}"}}',
        f'{{"timestamp": {ID} }}',
        f"some other program says {ID}",
    ],
)
def test_lines_that_are_not_events_of_the_request_are_ignored(line: str) -> None:
    assert events([line], ID) == []


@pytest.mark.parametrize("kept", [" status=200", " status=200 ms=", ' status=200 ms="'])
def test_a_line_that_was_cut_off_is_shown_as_far_as_it_goes(kept: str) -> None:
    line = f"2026-01-31T12:00:00.150Z h-web run_web_server.py request_answered id={ID}{kept}"
    assert timeline(events([line], ID)) == (
        f"0 ms is 2026-01-31T12:00:00.150+00:00\n0 ms  h-web  run_web_server.py  request_answered {kept}"
    )


def test_control_characters_from_clients_do_not_reach_the_terminal() -> None:
    line = (
        '{"timestamp": "2026-01-31T12:00:00.150Z", "server": "s", "script": "p", "action": "request_answered", '
        f'"id": "{ID}", "path": "/\\u001b[31m", "ms": 1.0}}'
    )
    assert "\x1b" not in timeline(events([line], ID))


def test_files_and_standard_input_are_read_and_an_unknown_request_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    web, worker = TEXT.splitlines(keepends=True)[:1], TEXT.splitlines(keepends=True)[1:]
    (tmp_path / "web.log").write_text("".join(web))
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(worker)))
    monkeypatch.setattr(sys, "argv", ["request_timeline.py", ID, str(tmp_path / "web.log"), "-"])
    assert request_timeline.main() == 0
    assert capsys.readouterr().out == TIMELINE + "\n"
    monkeypatch.setattr(sys, "argv", ["request_timeline.py", "2" * 32, str(tmp_path / "web.log")])
    assert request_timeline.main() == 1
    assert "no line" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[""], [ID, "/no/such.log"]])
def test_invalid_arguments_are_an_error_without_a_traceback(arguments: list[str]) -> None:
    result = run_script("-m", "tools.request_timeline", *arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_before_the_first_run_it_says_that_there_is_no_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(request_timeline, "log_files", list)
    monkeypatch.setattr(sys, "argv", ["request_timeline.py", ID])
    with pytest.raises(SystemExit):
        request_timeline.main()
    assert "there is no log yet: `make run` begins one" in capsys.readouterr().err


def test_a_programs_output_is_passed_on_and_kept_in_files_of_limited_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(run_log, "MAX_BYTES", 1000)
    output = b"".join(b"line %d\n" % number for number in range(1000)) + b"\xff\n"
    log = tmp_path / "new" / "run.log"
    run_log.copy_output(io.BytesIO(output), as_json=False, path=log).join()
    assert capfdbinary.readouterr().out == output
    kept = run_log.log_files(log)
    assert [file.name for file in kept] == ["run.log.1", "run.log"]
    assert all(file.stat().st_size <= 1000 for file in kept)
    assert "".join(file.read_text() for file in kept).endswith("line 998\nline 999\n\N{REPLACEMENT CHARACTER}\n")


def test_if_no_file_can_be_written_the_output_is_still_passed_on(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "file").touch()
    run_log.copy_output(io.BytesIO(b"line\n"), as_json=False, path=tmp_path / "file" / "run.log").join()
    printed = capfdbinary.readouterr()
    assert printed.err.startswith(b"No log is kept: ")
    assert printed.out == b"line\n"
