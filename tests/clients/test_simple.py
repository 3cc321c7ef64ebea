"""The simple client in a service's bad moments; what answers is made by hand, connection by connection."""

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests

from clients import send_again, service
from clients.service import Service
from clients.simple import SimpleClient
from tests.support.busy_service import GOOD, Busy, busy_service
from tools.embedded_redis import free_port

CLOSED = b""
TORN = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(GOOD), GOOD)
STRANGER = b"SSH-2.0-OpenSSH_9.2p1\r\n"
# Keeps the client waiting.
SILENCE = None

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that sends one of the answers to each connection, the last one again and again; return its URL."""
    with ExitStack() as stack:

        def start(*answers: bytes | None) -> str:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_answer_all, args=(server, list(answers)))
            stack.callback(thread.join)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            thread.start()
            return f"http://127.0.0.1:{server.getsockname()[1]}"

        yield start


def _answer_all(server: socket.socket, answers: list[bytes | None]) -> None:
    with ExitStack() as kept, suppress(OSError):  # which ends the server
        while True:
            connection = kept.enter_context(server.accept()[0])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer is not None:
                _read_form(connection)
                connection.sendall(answer)
                connection.close()


def _read_form(connection: socket.socket) -> None:
    """Read it to its end, or closing would reset the connection."""
    while (block := connection.recv(65536)) and not block.endswith(b"--\r\n"):
        pass


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path in paths:
        path.write_bytes(b"x")
    return list(map(str, paths))


def run(url: str, names: list[str]) -> int:
    return SimpleClient(url, None, as_json=False, wait_s=0, retry_s=0).run(names)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (CLOSED, "the connection was closed before the answer came"),
        (TORN, "the connection was closed in the middle of the answer"),
        (STRANGER, "what answers there does not speak HTTP"),
    ],
)
def test_a_picture_without_an_answer_keeps_no_other_from_being_sent(
    fault: bytes, reason: str, serve: Serve, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(serve(ANSWER, fault, ANSWER), pictures) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{pictures[0]}:\n1. red: 1.0000\n{pictures[2]}:\n1. red: 1.0000\n"
    assert shown.err == f"{pictures[1]}: {reason}\n"


@pytest.mark.parametrize("fault", [CLOSED, TORN])
def test_it_may_be_the_first_picture_that_gets_no_answer(
    fault: bytes, serve: Serve, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(serve(fault, ANSWER), pictures) == 1
    shown = capsys.readouterr()
    assert shown.out.count("1. red: 1.0000\n") == 2
    assert shown.err.startswith(f"{pictures[0]}: ")


def test_after_a_time_out_the_other_pictures_are_sent(
    serve: Serve, pictures: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TIMEOUT_S", 0.05)
    assert run(serve(SILENCE), pictures) == 1
    assert capsys.readouterr().err == "".join(f"{picture}: no answer in time\n" for picture in pictures)


def test_a_service_that_went_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_again, "WAITS_S", (0, 0, 0))
    with ExitStack() as stack:
        with busy_service() as before:
            client = stack.enter_context(Service(before.url))
            assert client.classify(b"x", 0)["success"]
        again = client.classify(b"x", 60, lambda *_: stack.enter_context(busy_service(before.server_port)))
    assert again["success"]


def test_where_no_service_is_nothing_more_is_sent(pictures: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert run(url, pictures) == 1
    assert capsys.readouterr().err == f"{url}: nobody answers there; `make run` starts the service\n"


def test_an_unknown_host_is_told_from_a_service_that_is_not_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert run("http://classifier.invalid", ["castle_image.jpg"]) == 1
    assert capsys.readouterr().err == "http://classifier.invalid: no host of this name is known\n"


def test_a_server_of_another_protocol_is_named_once(
    serve: Serve, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = serve(STRANGER)
    assert run(url, pictures) == 1
    assert capsys.readouterr().err == f"{url}: what answers there does not speak HTTP\n"


def test_a_redirect_is_not_followed_but_told(
    busy: Busy, pictures: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    busy.moved_to = "https://classifier.invalid/a"
    assert run(busy.url, pictures) == 1
    advice = "the service is elsewhere (HTTP status 301); pass https://classifier.invalid/a with --url"
    assert capsys.readouterr().err == f"{busy.url}: {advice}\n"
    with Service(busy.url) as client, pytest.raises(requests.RequestException, match=re.escape(advice)):
        client.wait_until_ready(600)  # which does not wait


def test_what_cannot_be_sent_keeps_nothing_else_from_being_sent(
    busy: Busy, pictures: list[str], tmp_path: Path, refused_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    with (tmp_path / "b0.tif").open("wb") as large:
        large.truncate(3 * 10**9)
    assert run(busy.url, [str(tmp_path / "empty"), str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "".join(f"{picture}:\n1. red: 1.0000\n" for picture in pictures)
    assert shown.err.splitlines() == [
        f"{tmp_path}/empty: no pictures in this folder",
        f"{tmp_path}/b0.tif: It has more than 100 MiB and was not sent",
        f"{refused_folder}: Permission denied",
    ]


def test_a_name_that_would_break_its_line_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("http://127.0.0.1:1", ["no\nsuch.png"]) == 1
    assert capsys.readouterr().err == "no\\nsuch.png: No such file or directory\n"


def test_standard_input_that_is_closed_is_no_picture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as Python does when its shell command ends with <&-
    assert run("http://127.0.0.1:1", ["-"]) == 1
    assert capsys.readouterr().err == "-: standard input is closed\n"
