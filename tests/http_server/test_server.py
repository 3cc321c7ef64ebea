"""The HTTP server: whole requests for the app, bounds for everybody, and no harm from slow clients."""

import http.client
import json
import re
import socket

import pytest

from benchmarks.services import wait_until
from tests.http_server.conftest import Running, Start

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"

# Of SO_LINGER: on, for no time, so that closing resets the connection: socket(7).
RESET = b"\1\0\0\0\0\0\0\0"


def post(body: bytes, path: bytes = b"/") -> bytes:
    return POST % (path, len(body)) + body


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def received(connection: socket.socket, until: bytes) -> bytes:
    """All that comes up to the end of a body, of one response or of several."""
    data = b""
    while not data.endswith(until):
        data += connection.recv(65536)
    return data


def problem(connection: socket.socket) -> tuple[int, str]:
    status, body = answer(connection)
    content = json.loads(body)
    assert content["status"] == status
    assert content["success"] is False
    return status, content["detail"]


def is_closed(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


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
    assert answer(server.connect(GET % b"/other"))[0] == 200
    assert [environ["PATH_INFO"] for environ in server.app.environs] in (["/wait", "/other"], ["/other", "/wait"])
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


def test_a_silent_connection_is_closed_without_a_word(start: Start) -> None:
    assert is_closed(start(client_s=0.1).connect())


@pytest.mark.parametrize("begin", [b"G", GET[:-3] % b"/", post(b"hello")[:-1], POST % (b"/", 5)])
def test_a_request_that_takes_too_long_to_arrive_gets_408(begin: bytes, start: Start) -> None:
    server = start(client_s=0.1)
    connection = server.connect(begin)
    assert problem(connection) == (408, "The request took too long to arrive.")
    assert is_closed(connection)
    assert [refusal.status for refusal in server.refused] == [408]


def test_an_upload_has_another_second_for_every_500_bytes(start: Start) -> None:
    server = start(client_s=0.1)
    slow, fast = server.connect(POST % (b"/", 100_000) + b"x"), server.connect(POST % (b"/", 100_000) + b"x" * 50_000)
    assert problem(slow)[0] == 408
    fast.sendall(b"x" * 50_000)
    assert answer(fast)[0] == 200


def test_a_new_connection_takes_the_place_of_the_oldest_silent_one(start: Start) -> None:
    server = start(connections=3)
    busy, silent, half = server.connect(GET % b"/wait"), server.connect(), server.connect((GET % b"/")[:-3])
    wait_until(lambda: server.app.environs)
    first = server.connect(GET % b"/first")
    assert answer(first)[0] == 200
    assert is_closed(silent)
    assert answer(server.connect(GET % b"/second"))[0] == 200
    assert problem(half) == (408, "The server needed the connection for others.")
    server.app.go_on.set()
    assert answer(busy)[0] == 200


def test_uploads_take_limited_memory_and_the_oldest_incomplete_one_gives_way(start: Start) -> None:
    server = start(pending_bytes=100_000)
    oldest, older = (server.connect(POST % (b"/", 60_000) + bytes(40_000)) for _ in range(2))
    assert answer(server.connect(post(bytes(50_000))))[0] == 200
    status, detail = problem(oldest)
    assert (status, "too many uploads" in detail) == (503, True)
    older.sendall(bytes(20_000))
    assert answer(older)[0] == 200


def test_when_the_memory_is_full_of_requests_in_progress_a_new_upload_is_refused(start: Start) -> None:
    server = start(pending_bytes=100_000)
    busy = server.connect(post(bytes(80_000), b"/wait"))
    wait_until(lambda: server.app.environs)
    assert problem(server.connect(post(bytes(50_000))))[0] == 503
    server.app.go_on.set()
    assert answer(busy)[0] == 200
    wait_until(lambda: answer(server.connect(post(bytes(50_000))))[0] == 200)


def test_a_client_that_sends_too_much_can_read_what_the_app_says(server: Running) -> None:
    assert answer(server.connect(post(bytes(20_000_000), b"/large"))) == (200, b"/large ")
    assert server.app.environs[0]["CONTENT_LENGTH"] == "20000000"


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


def test_a_client_that_resets_its_connection_has_hung_up(server: Running) -> None:
    connection = server.connect(GET % b"/wait")
    wait_until(lambda: server.app.environs)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
    assert server.app.clients_gone.acquire(timeout=30)


def test_connections_that_are_reset_before_anybody_looks_leave_nothing_behind(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(200):
        connection = server.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
    assert answer(server.connect(GET % b"/"))[0] == 200
    wait_until(lambda: server.connections() == 1)
    assert caplog.text == ""


def test_clients_that_do_not_read_keep_nobody_waiting(start: Start) -> None:
    server = start(threads=1)
    request = post(bytes(90_000))
    for _ in range(3):
        connection = server.connect()
        connection.setblocking(False)
        sent = -1
        while sent:
            try:
                sent = connection.send(request * 100)
            except BlockingIOError:
                sent = 0
    assert answer(server.connect(GET % b"/other"))[0] == 200


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


def test_an_idle_connection_may_wait_longer_than_a_request_may_take(start: Start) -> None:
    server = start(client_s=0.1)
    connection = server.connect(GET % b"/")
    answer(connection)
    assert is_closed(server.connect())
    connection.sendall(GET % b"/")
    assert answer(connection)[0] == 200
