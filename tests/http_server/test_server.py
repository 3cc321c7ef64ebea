"""The HTTP server: whole requests for the app, one after the other, and an answer to each."""

import re
import socket
import threading

import pytest

from benchmarks.services import wait_until
from tests.http_server.conftest import LIMITS, Running, no_more_threads
from tests.http_server.raw_client import GET, POST, answer, is_closed, post, problem, received, reset


def test_one_connection_serves_one_request_after_the_other(server: Running) -> None:
    connection = server.connect()
    for body in (b"one", b"two"):
        connection.sendall(post(body))
        assert answer(connection) == (200, b"/ " + body)


def test_the_app_gets_a_request_only_when_it_is_whole(server: Running) -> None:
    connection = server.connect(post(b"hello")[:-1])
    assert answer(server.connect(GET % b"/other"))[0] == 200
    assert len(server.app.environs) == 1
    connection.sendall(b"o")
    assert answer(connection) == (200, b"/ hello")


def test_a_pipeline_is_answered_in_order_and_one_request_at_a_time(server: Running) -> None:
    paths = [b"/wait", *(b"/%d" % number for number in range(50))]
    connection = server.connect(b"".join(GET % path for path in paths))
    wait_until(lambda: server.app.environs)
    assert answer(server.connect(GET % b"/other"))[0] == 200
    assert [environ["PATH_INFO"] for environ in server.app.environs] == ["/wait", "/other"]
    server.app.go_on.set()
    responses = received(connection, paths[-1] + b" ").split(b"\r\n\r\n")[1:]
    assert [response.split()[0] for response in responses] == paths


def test_a_request_that_follows_during_the_answer_is_answered_next(server: Running) -> None:
    connection = server.connect(GET % b"/wait")
    wait_until(lambda: server.app.environs)
    connection.sendall(post(b"one"))
    connection.sendall(post(b"two"))
    server.app.go_on.set()
    responses = received(connection, b"/ two").split(b"\r\n\r\n")[1:]
    assert [response.partition(b"HTTP")[0] for response in responses] == [b"/wait ", b"/ one", b"/ two"]


def test_a_client_that_asks_first_is_told_to_go_on(server: Running) -> None:
    head = (POST % (b"/", 5)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    connection = server.connect(head)
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"hello")
    assert answer(connection) == (200, b"/ hello")


def test_a_client_that_closes_its_sending_side_after_a_whole_request_is_answered(server: Running) -> None:
    connection = server.connect(post(b"hello", b"/wait"))
    connection.shutdown(socket.SHUT_WR)
    # It gets an interim response, which tells it from one that has gone, and ignores it as every client does.
    assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.app.go_on.set()
    assert answer(connection) == (200, b"/wait hello")
    assert is_closed(connection)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_the_app_is_told_that_its_client_has_hung_up(version: bytes, server: Running) -> None:
    with server.connect((GET % b"/wait").replace(b"1.1", version)):
        wait_until(lambda: server.app.environs)
        assert not server.app.clients_gone.acquire(blocking=False)
    assert server.app.clients_gone.acquire(timeout=30)


def test_a_client_that_hangs_up_after_it_has_sent_more_has_hung_up(server: Running) -> None:
    with server.connect(GET % b"/wait") as connection:
        wait_until(lambda: server.app.environs)
        connection.sendall(GET % b"/next")
    assert server.app.clients_gone.acquire(timeout=30)


def test_nothing_more_is_begun_for_a_client_that_has_hung_up(server: Running) -> None:
    connection = server.connect(GET % b"/wait" + GET % b"/next")
    wait_until(lambda: server.app.environs)
    reset(connection)
    wait_until(lambda: server.connections() == 0)
    assert len(server.app.environs) == 1


def test_a_client_that_resets_its_connection_has_hung_up(server: Running) -> None:
    connection = server.connect(GET % b"/wait")
    wait_until(lambda: server.app.environs)
    reset(connection)
    assert server.app.clients_gone.acquire(timeout=30)


def test_connections_that_are_reset_before_anybody_looks_leave_nothing_behind(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(200):
        reset(server.connect())
    assert answer(server.connect(GET % b"/"))[0] == 200
    wait_until(lambda: server.connections() == 1)
    assert caplog.text == ""


def test_draining_answers_what_has_begun_and_closes_the_rest(server: Running) -> None:
    idle, busy, half = server.connect(), server.connect(GET % b"/wait"), server.connect(post(b"hello")[:-1])
    wait_until(lambda: server.app.environs)
    server.begin_to_drain()
    assert is_closed(idle)
    half.sendall(b"o")
    server.app.go_on.set()
    for connection in (busy, half):
        assert answer(connection)[0] == 200
        assert is_closed(connection)


def test_a_failing_app_is_answered_for_without_its_secrets(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    connection = server.connect(GET % b"/fail")
    assert problem(connection) == (500, "Something unexpected went wrong.")
    assert "ValueError: secret" in caplog.text
    connection.sendall(GET % b"/")
    assert answer(connection)[0] == 200


def test_a_refusal_follows_the_answers_to_what_came_before(server: Running) -> None:
    connection = server.connect(GET % b"/one" + b"nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", received(connection, b"}")) == [b"200", b"400"]
    assert is_closed(connection)


def test_names_with_underscores_do_not_pass_for_other_headers(server: Running) -> None:
    head = (GET % b"/").replace(b"Host", b"X_Forwarded_For: a\r\nSCRIPT_NAME: /b\r\nX-Forwarded-For: c\r\nHost")
    answer(server.connect(head))
    (environ,) = server.app.environs
    assert environ["HTTP_X_FORWARDED_FOR"] == "c"
    assert environ["SCRIPT_NAME"] == ""
    assert "HTTP_SCRIPT_NAME" not in environ


def test_connections_that_are_closed_right_after_the_answer_leave_nothing_behind(server: Running) -> None:
    for _ in range(300):
        with server.connect(GET % b"/") as connection:
            assert received(connection, b"/ ")
    wait_until(lambda: server.connections() == 0)


def test_an_answer_is_read_although_more_was_sent_than_the_last_request(server: Running) -> None:
    last = (GET % b"/wait").replace(b"Host", b"Connection: close\r\nHost")
    connection = server.connect(last)
    wait_until(lambda: server.app.environs)
    connection.sendall(bytes(100_000))
    server.app.go_on.set()
    assert answer(connection) == (200, b"/wait ")
    assert is_closed(connection)


@pytest.mark.parametrize(("target", "status"), [(b"/", 200), (b"/fail", 500), (b"foo://x/", 400)])
def test_an_answer_to_head_has_no_body(target: bytes, status: int, server: Running) -> None:
    connection = server.connect((GET % target).replace(b"GET", b"HEAD") + GET % b"/next")
    head, _, rest = received(connection, b"/next ").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    assert rest.startswith(b"HTTP/1.1 200")


def test_an_answer_without_content_has_no_length(server: Running) -> None:
    connection = server.connect(GET % b"/nothing" + GET % b"/next")
    head, _, rest = received(connection, b"/next ").partition(b"\r\n\r\n")
    assert b"204 No Content" in head
    assert b"Content-Length" not in head
    assert rest.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("target", [b"foo://x/", b"http://[x/", b"http:///x"])
def test_a_target_that_is_neither_a_path_nor_a_url_is_refused(target: bytes, server: Running) -> None:
    status, detail = problem(server.connect(GET % target))
    assert (status, "neither a path nor a URL" in detail) == (400, True)


def test_nothing_is_understood_after_a_wish_for_a_tunnel(server: Running) -> None:
    connection = server.connect(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + GET % b"/")
    assert problem(connection)[0] == 400
    assert is_closed(connection)


def test_a_connection_that_was_just_accepted_is_served_although_draining_begins(server: Running) -> None:
    def accept_and_drain(listener: socket.socket) -> None:
        accept(listener)
        server._stop.set()

    accept = server._server._accept
    changed = threading.Event()
    server._loop.call_soon_threadsafe(server._loop.add_reader, server._listener, accept_and_drain, server._listener)
    server._loop.call_soon_threadsafe(changed.set)
    changed.wait()
    assert answer(server.connect(GET % b"/"))[0] == 200


def test_an_app_that_wants_to_exit_only_fails(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2 * LIMITS.threads):
        assert problem(server.connect(GET % b"/exit")) == (500, "Something unexpected went wrong.")
    assert "SystemExit" in caplog.text


def test_a_request_is_refused_when_the_system_has_no_more_threads(server: Running) -> None:
    with no_more_threads():
        for _ in range(2 * LIMITS.threads):
            status, detail = problem(server.connect(post(bytes(90_000))))
            assert (status, "no thread" in detail) == (503, True)
    assert answer(server.connect(post(b"hello"))) == (200, b"/ hello")
