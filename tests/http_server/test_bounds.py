"""The HTTP server's bounds of time, memory and connections: no client harms the others."""

import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.services import wait_until
from http_server import connection as connections
from tests.http_server.conftest import BIG_BYTES, Running, Start
from tests.http_server.raw_client import (
    GET,
    POST,
    answer,
    is_closed,
    post,
    problem,
    received,
    send_until_nobody_reads,
)


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


def test_a_trailer_has_no_more_time_than_a_head(start: Start) -> None:
    server = start(client_s=0.1)
    begin = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n" + b"x" * 60_000 + b"\r\n0\r\n"
    endless, whole = server.connect(begin + b"X: " + b"x" * 10_000), server.connect(begin)
    assert problem(endless)[0] == 408
    whole.sendall(b"X: x\r\n\r\n")
    assert answer(whole)[0] == 200


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
    wait_until(lambda: server._server._held_bytes == 80_000)
    assert answer(server.connect(post(bytes(50_000))))[0] == 200
    status, detail = problem(oldest)
    assert (status, "too many uploads" in detail) == (503, True)
    wait_until(lambda: server._server._held_bytes == 40_000)
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


def test_clients_that_do_not_read_keep_nobody_waiting(start: Start) -> None:
    server = start(threads=1, pending_bytes=300_000)
    for _ in range(3):
        assert send_until_nobody_reads(server.connect(), post(bytes(90_000)), times=1000)
    assert answer(server.connect(post(bytes(50_000), b"/other")))[0] == 200


def test_requests_whose_answers_nobody_reads_are_not_read_either(server: Running) -> None:
    request = (GET % (b"/" + b"p" * 7000)).replace(b"Host", b"X: " + b"h" * 30_000 + b"\r\nHost")
    assert send_until_nobody_reads(server.connect(), request, times=5000)


def test_answers_that_are_read_slowly_come_whole_and_in_order(server: Running) -> None:
    connection = server.connect()
    bodies = [b"%06d" % number * 5000 for number in range(500)]
    with ThreadPoolExecutor(1) as pool, connection.makefile("rb") as answers:
        sending = pool.submit(connection.sendall, b"".join(post(body) for body in bodies))
        for body in bodies:
            assert next(answers) == b"HTTP/1.1 200 OK\r\n"
            while next(answers) != b"\r\n":
                pass
            assert answers.read(len(b"/ " + body)) == b"/ " + body
        sending.result()


def test_a_portion_of_many_requests_is_read_one_after_the_other(start: Start) -> None:
    server = start(threads=1)
    server.connect(GET % b"/wait")
    wait_until(lambda: server.app.environs)
    connection = server.connect(GET % b"/" * 2000)
    wait_until(lambda: server.connections() == 2 and len(server._server._answering) == 2)
    assert sum(len(connection._parser.whole) for connection in server._server._answering) < 200
    server.app.go_on.set()
    connection.sendall(GET % b"/end")
    assert received(connection, b"/end ").count(b"HTTP/1.1 200") == 2001


def test_connections_in_progress_are_limited_too(start: Start) -> None:
    server = start(connections=3, threads=20)
    connections = [server.connect(GET % b"/wait") for _ in range(10)]
    wait_until(lambda: len(server.app.environs) >= 3)
    server.app.go_on.set()
    for connection in connections:
        assert answer(connection)[0] == 200
        connection.close()
    assert server.app.most_at_once == 3


def test_a_refused_client_that_goes_on_byte_by_byte_has_its_time_too(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.1)
    connection = server.connect(b"nonsense\r\n\r\n")
    assert problem(connection)[0] == 400
    connection.settimeout(0.02)

    def is_reset() -> bool:
        try:
            connection.sendall(b"x")
        except OSError:
            return True
        return False

    wait_until(is_reset)


def test_a_refused_client_that_has_sent_much_and_stops_has_no_more_time(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.1)
    assert problem(server.connect(b"nonsense\r\n\r\n" + bytes(1_000_000)))[0] == 400
    wait_until(lambda: server.connections() == 0)


def test_a_refused_client_gives_way_although_it_goes_on(server: Running) -> None:
    connection = server.connect(b"nonsense\r\n\r\n")
    assert problem(connection)[0] == 400

    def goes_on_and_is_dropped() -> bool:
        connection.sendall(b"x")
        return server._server._drop_oldest()

    assert server.in_loop(goes_on_and_is_dropped)


def test_clients_are_dropped_in_time_although_nobody_can_be_told(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(client_s=0.1)
    server._server._tell_refused = no_space
    for _ in range(2):
        assert problem(server.connect(b"G"))[0] == 408
    assert "No space left on device" in caplog.text


def test_a_request_that_began_before_the_last_answer_has_its_time_too(start: Start) -> None:
    connection = start(client_s=0.1).connect(GET % b"/" + b"G")
    assert re.findall(rb"HTTP/1.1 (\d+)", received(connection, b"}")) == [b"200", b"408"]


def test_a_client_that_has_begun_a_request_and_does_not_read_is_dropped(start: Start) -> None:
    server = start(client_s=0.1)
    server.connect(GET % b"/big" + b"G")
    wait_until(lambda: server.app.environs)
    wait_until(lambda: server.connections() == 0)


def test_a_last_answer_may_be_read_slowly(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LINGER_S", 0.1)
    server = start(client_s=0.1)
    connection = server.connect((GET % b"/big").replace(b"Host", b"Connection: close\r\nHost"))
    for _ in range(2):  # each takes the server more than a second
        assert problem(server.connect(b"G"))[0] == 408
    status, body = answer(connection)
    assert (status, len(body)) == (200, BIG_BYTES)


def test_an_idle_connection_may_wait_longer_than_a_request_may_take(start: Start) -> None:
    server = start(client_s=0.1)
    connection = server.connect(GET % b"/")
    answer(connection)
    assert is_closed(server.connect())
    connection.sendall(GET % b"/")
    assert answer(connection)[0] == 200


def no_space(*_what: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
