"""A client and a service that is busy, asks for a key, or lies behind a proxy; the service is made by hand."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.services import run_script
from tools.embedded_redis import free_port

GOOD = b'{"success": true, "predictions": [{"label": "red", "probability": 1.0}]}'


class Busy(ThreadingHTTPServer):
    """Answers with the statuses that it is given, one after the other, and then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.retry_after: str | None = "0"
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Busy

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.authorizations.append(self.headers["Authorization"])
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        body = GOOD if status == 200 else b'{"success": false, "status": %d, "detail": "of the service"}' % status
        self.send_response(status)
        if status in (429, 503) and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def busy() -> Iterator[Busy]:
    with Busy() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says(status: int, busy: Busy) -> None:
    busy.statuses = [status, status]
    done = run_script("simple_request.py", "--url", busy.url)
    assert (done.returncode, done.stdout) == (0, "1. red: 1.0000\n")
    assert done.stderr == "of the service (next try in 0 s)\n" * 2
    assert len(busy.authorizations) == 3


@pytest.mark.parametrize("retry_after", [None, "3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_service_that_is_busy_for_too_long_fails_the_picture(retry_after: str | None, busy: Busy) -> None:
    busy.statuses, busy.retry_after = [503], retry_after
    done = run_script("simple_request.py", "--url", busy.url)
    assert done.returncode == 1
    assert done.stderr.endswith("castle_image.jpg: of the service\n")
    assert len(busy.authorizations) == 1


@pytest.mark.parametrize("status", [400, 500, 504])
def test_an_answered_request_is_not_sent_again(status: int, busy: Busy) -> None:
    busy.statuses = [status]
    assert run_script("simple_request.py", "--url", busy.url).returncode == 1
    assert len(busy.authorizations) == 1


def test_without_retries_a_busy_service_fails_the_picture_at_once(busy: Busy) -> None:
    busy.statuses, busy.retry_after = [503], "1"
    assert run_script("simple_request.py", "--retry", "0", "--url", busy.url).returncode == 1


@pytest.mark.parametrize(("key", "problem"), [("", "requires an API key"), ("wrong", "does not know this API key")])
def test_where_a_key_is_required_the_client_names_its_own_option(key: str, problem: str, busy: Busy) -> None:
    busy.statuses = [401]
    done = run_script("simple_request.py", "--url", busy.url, API_KEY=key)
    assert done.returncode == 1
    assert f"the service {problem}; pass one with --api-key, or set API_KEY\n" in done.stderr


def test_loopback_goes_past_a_proxy(busy: Busy) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    done = run_script("simple_request.py", "--url", busy.url, http_proxy=proxy, HTTP_PROXY=proxy, no_proxy="")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_machine_is_reached_through_the_proxy(busy: Busy) -> None:
    # The proxy is the stand-in, which answers whatever is asked of it.
    done = run_script("simple_request.py", "--url", "http://classifier.invalid:5000", http_proxy=busy.url, no_proxy="")
    assert (done.returncode, done.stdout) == (0, "1. red: 1.0000\n")
