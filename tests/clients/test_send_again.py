"""What is sent again: only what a broken connection has cut off, a few times, and within its time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import urllib3

from clients import send_again as module
from clients.send_again import send_again
from tools.embedded_redis import free_port


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0, 0, 0))


@pytest.fixture
def breaking_port() -> Iterator[int]:
    """Where connections are taken, and closed without an answer."""

    def close_all() -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=close_all)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


class Sent:
    """Sends to a port, and counts."""

    def __init__(self, port: int) -> None:
        self.times = 0
        self._url = f"http://127.0.0.1:{port}"

    def __call__(self) -> urllib3.BaseHTTPResponse:
        self.times += 1
        with urllib3.PoolManager(retries=False, timeout=0.2) as pool:
            return pool.request("POST", self._url, body=b"x")


@pytest.mark.parametrize(("timeout_s", "times"), [(60, 4), (-1, 1)])
def test_what_a_broken_connection_cut_off_is_sent_three_times_more_within_the_time(
    timeout_s: float, times: int, breaking_port: int
) -> None:
    send = Sent(breaking_port)
    waits: list[float] = []
    with pytest.raises(urllib3.exceptions.HTTPError):
        send_again(send, timeout_s, waits.append)
    assert (send.times, len(waits)) == (times, times - 1)


def test_nothing_is_sent_again_where_nobody_listens() -> None:
    send = Sent(free_port())
    with pytest.raises(urllib3.exceptions.HTTPError):
        send_again(send, 60, lambda _wait_s: None)
    assert send.times == 1


def test_a_time_out_is_not_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        send = Sent(server.getsockname()[1])
        with pytest.raises(urllib3.exceptions.TimeoutError):
            send_again(send, 60, lambda _wait_s: None)
    assert send.times == 1
