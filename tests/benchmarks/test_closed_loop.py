"""Rounds of requests to a stub of the service."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.bench.closed_loop import NoAnswer, forms, measure_for, send_so_many
from tests.support.http_stub import serving, url_of
from tools.embedded_redis import free_port

ANSWER = b'{"success": true}'


class Stub(BaseHTTPRequestHandler):
    """Answers after a delay, first with `statuses`, then with 200."""

    protocol_version = "HTTP/1.1"
    statuses: list[int]
    delay_s: float

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1  # type: ignore[attr-defined]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.delay_s)
        self.send_response(self.statuses.pop() if self.statuses else 200)
        self.send_header("Server-Timing", "decode;dur=2.5, total;dur=4")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[ThreadingHTTPServer]:
    Stub.statuses, Stub.delay_s = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.connections = 0  # type: ignore[attr-defined]
    with serving(server):
        yield server


def test_so_many_requests_are_sent_over_one_connection_per_client(stub: ThreadingHTTPServer) -> None:
    measured = send_so_many(url_of(stub), b"picture", clients=3, requests=30)
    assert (measured.clients, measured.answered, measured.failures) == (3, 30, {})
    assert 1 <= stub.connections <= 3  # type: ignore[attr-defined]
    assert measured.server_timing_ms == {"decode": 2.5, "total": 4}
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert 0 < measured.generator_share <= 1
    assert measured.cpu_ms["load generator"] > 0


def test_the_warm_up_does_not_count(stub: ThreadingHTTPServer) -> None:
    measured = measure_for(forms(url_of(stub), b"picture", clients=2), clients=2, seconds=0.2, warm_up_s=0.4)
    assert measured.seconds >= 0.6
    assert measured.images_per_s * 0.2 < measured.answered * 0.9


def test_when_all_answers_come_after_the_window_the_whole_round_is_measured(stub: ThreadingHTTPServer) -> None:
    Stub.delay_s = 2.1
    measured = measure_for(forms(url_of(stub), b"picture", clients=2), clients=2, seconds=2, warm_up_s=0)
    assert measured.answered == 2
    assert measured.images_per_s == pytest.approx(2 / measured.seconds)


def test_other_outcomes_are_failures(stub: ThreadingHTTPServer) -> None:
    Stub.statuses = [503, 503, 400]
    measured = send_so_many(url_of(stub), b"picture", clients=2, requests=10)
    assert (measured.answered, measured.failures) == (7, {"503": 2, "400": 1})


def test_no_answer_at_all_is_an_error() -> None:
    with pytest.raises(NoAnswer, match="connection refused"):
        send_so_many(f"http://127.0.0.1:{free_port()}", b"picture", clients=2, requests=4)
