"""What is sent again: only what a broken connection has cut off, a few times, and within its time."""

import socket

import pytest
import urllib3

from clients import send_again as module
from clients.send_again import send_again
from tools.embedded_redis import free_port


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0, 0, 0))


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
def test_a_refused_connection_is_tried_three_times_more_within_the_time(timeout_s: float, times: int) -> None:
    send = Sent(free_port())
    waits: list[float] = []
    with pytest.raises(urllib3.exceptions.HTTPError):
        send_again(send, timeout_s, waits.append)
    assert (send.times, len(waits)) == (times, times - 1)


def test_a_time_out_is_not_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        send = Sent(server.getsockname()[1])
        with pytest.raises(urllib3.exceptions.TimeoutError):
            send_again(send, 60, lambda _wait_s: None)
    assert send.times == 1
