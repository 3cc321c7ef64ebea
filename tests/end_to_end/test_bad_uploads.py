"""Invalid and unusual uploads to the real web server: each gets the expected response, within a memory limit."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from benchmarks.services import Process, Services, answers, wait_until
from settings import Settings
from tests.conftest import picture
from tests.support.bad_pictures import frames, gray_tiff, zeros
from tests.support.bad_requests import HOSTILE_PATH, MAX_BYTES, REQUESTS, TOO_MANY_BYTES, Request
from tests.support.bad_uploads import AREA, COSTLY_PICTURES, DEFLATE, PICTURES, SIDE
from tests.support.raw_http import End, Reply, chunked, exchange, form, request, typed
from web.spare_memory import KEPT_BYTES

MB = 1_000_000
# Of all accepted pictures, a WebP of 50 million pixels takes most memory. At 4 bytes per pixel, two canvases of the
# decoder, a copy of the result and Pillow's own image are 800 MB. The rest is Python, and the upload with its copies.
PEAK_BYTES = 1100 * MB


@dataclass
class WebServer:
    """The web server's processes, and how much memory they take."""

    process: Process
    url: str

    def __post_init__(self) -> None:
        self.memory_at_start = self.memory("VmRSS")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def memory(self, kind: str) -> int:
        """The sum over all processes of VmRSS, their memory now, or VmHWM, their peak."""
        return sum(_status(pid, kind) * 1024 for pid in self._pids())

    def _pids(self) -> list[int]:
        pid = self.process.popen.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def answered(self) -> int:
        """How many requests it has answered or refused, by its log."""
        return self.process.output.count(" request_")


def _status(pid: int, kind: str) -> int:
    return int(re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


Start = Callable[..., WebServer]


@pytest.fixture(scope="module")
def start(
    redis_url: str, colour_network: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start a web server with a single process, which handles all requests; there is a worker for it."""
    own = {"redis_url": redis_url, "key_prefix": f"{uuid.uuid4().hex}:", "web_processes": 1, "batch_size": 1}
    settings = Settings(_env_file=None, **(colour_network | own))  # type: ignore[call-arg, arg-type]
    services = Services(settings, tmp_path_factory.mktemp("logs"))
    services.start_worker()
    yield lambda **changes: WebServer(*services.start_web_server(**changes))
    services.close()
    assert services.running() == []


@pytest.fixture(scope="module")
def server(start: Start) -> WebServer:
    return start()


@pytest.fixture(scope="module")
def hasty_server(start: Start) -> WebServer:
    return start(DECODE_TIMEOUT_S=1)


def check(reply: Reply | None, status: int, detail: str) -> None:
    assert reply
    assert reply.status == status, reply.body
    answer = json.loads(reply.body)
    assert answer["success"] is (status == 200)
    if status == 200:
        assert reply.content_type == "application/json"
        assert re.search(detail, answer["predictions"][0]["label"])
    else:
        assert reply.content_type == "application/problem+json"
        assert answer["status"] == status
        assert answer["title"]
        assert re.search(detail, answer["detail"]), answer["detail"]


def check_health(server: WebServer) -> None:
    assert answers(f"{server.url}/livez")
    assert server.memory("VmHWM") < PEAK_BYTES
    for sign_of_a_bug in ("status=500", "unexpected_error", "Traceback"):
        assert sign_of_a_bug not in server.process.output


@pytest.mark.parametrize(("make", "status", "detail"), [pytest.param(*row[1:], id=row[0]) for row in PICTURES])
def test_every_picture_gets_the_expected_response(
    make: Callable[[], bytes], status: int, detail: str, server: WebServer
) -> None:
    check(exchange(server.port, form(make())), status, detail)
    check_health(server)


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in COSTLY_PICTURES])
def test_every_costly_picture_is_classified_or_refused_with_the_reason(
    make: Callable[[], bytes], hasty_server: WebServer
) -> None:
    reply = exchange(hasty_server.port, form(make()))
    is_refused = reply and reply.status == 413
    check(reply, *(413, "takes more than 1 s to decode") if is_refused else (200, ""))
    check_health(hasty_server)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REQUESTS])
def test_every_request_gets_the_expected_response(row: Request, server: WebServer) -> None:
    check(exchange(server.port, row.make(), row.end), row.status, row.detail)
    check_health(server)


def test_a_hostile_path_is_echoed_neither_in_the_response_nor_in_the_log(server: WebServer) -> None:
    before = server.answered()
    reply = exchange(server.port, request(b"", start=f"GET {HOSTILE_PATH} HTTP/1.1"))
    check(reply, 404, "not found")
    assert reply
    assert "script" not in reply.head + reply.body
    wait_until(lambda: server.answered() > before)
    assert not re.search("[\x07\x1b]|^Set-Cookie", server.process.output, re.MULTILINE)


@pytest.mark.parametrize(
    "whole", [form(picture()), typed(picture()), chunked(picture())], ids=["form", "body", "chunks"]
)
def test_a_client_that_hangs_up_during_its_upload_does_no_harm(whole: bytes, server: WebServer) -> None:
    before = server.answered()
    exchange(server.port, whole[:-100], End.HANG_UP)
    wait_until(lambda: server.answered() > before)
    check_health(server)


@pytest.mark.parametrize("arguments", [{"files": {"image": bytes(TOO_MANY_BYTES)}}, {"data": bytes(TOO_MANY_BYTES)}])
def test_a_client_that_sends_too_much_can_read_the_error(arguments: dict[str, object], server: WebServer) -> None:
    headers = {"Content-Type": "image/png"} if "data" in arguments else None
    with requests.Session() as session:
        response = session.post(f"{server.url}/predict", headers=headers, timeout=30, **arguments)  # type: ignore[arg-type]
        assert response.status_code == 413
        assert str(MAX_BYTES) in response.json()["detail"]
        assert session.post(f"{server.url}/predict", files={"image": frames("GIF")}, timeout=30).ok


def test_the_memory_of_large_pictures_is_released(server: WebServer) -> None:
    large = form(gray_tiff(SIDE, SIDE, zeros(AREA), DEFLATE))
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda _: exchange(server.port, large), range(8)):
            check(reply, 200, "black")
    # It keeps so much on purpose, beside what it has loaded and allocated for good since its start.
    wait_until(lambda: server.memory("VmRSS") < server.memory_at_start + 2 * KEPT_BYTES)
