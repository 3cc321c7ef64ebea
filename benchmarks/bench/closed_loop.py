"""A light load generator: so many clients, each of which sends its next request when the last one is answered.

It shares the cores with the service, so it is bare sockets with the request's bytes ready made.
"""

import itertools
import os
import re
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from load_test.latency import percentiles

TIMEOUT_S = 60
RECEIVED_AT_ONCE_BYTES = 65536
_BOUNDARY = "picture-boundary"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMING = re.compile(rb"\r\nserver-timing: *([^\r]+)", re.IGNORECASE)
_TIMING_PART = re.compile(r"(\w+);dur=([\d.]+)")


@dataclass(frozen=True)
class Round:
    """What one round of requests has shown; times in ms are of the answered requests only.

    Attributes:
        failures: how often something else than an answer came.
        images_per_s: answers a second, the warm-up left out.
        seconds: how long all of it took.
        server_timing_ms: the median of each part of the header Server-Timing.
        generator_share: how much of all cores the load generator itself took.
        cpu_ms: the processor time for each request, by process; that of the load generator itself is always there.
    """

    clients: int
    answered: int
    failures: dict[str, int]
    seconds: float
    images_per_s: float
    p50_ms: float
    p99_ms: float
    server_timing_ms: dict[str, float]
    generator_share: float
    cpu_ms: dict[str, float]


class NoAnswer(Exception):
    """Nothing at all has come back, so that there is nothing to tell."""


@dataclass
class _Seen:
    """What the clients have seen: for each answer when it came, how long it took, and its head."""

    answers: list[tuple[float, float, bytes]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def between(self, began: float, ended: float) -> list[tuple[float, float, bytes]]:
        """Return the answers that came in a span of time."""
        return [answer for answer in self.answers if began <= answer[0] <= ended]


class _Client:
    """One client with one connection, which is kept open if the server lets it."""

    def __init__(self, url: str, picture: bytes) -> None:
        address = urlsplit(url)
        self._address = (str(address.hostname), int(address.port or 80))
        self._request = _request(self._address, picture)
        self._socket: socket.socket | None = None

    def send(self) -> bytes:
        """Send the picture and return the answer's head."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(self._request)
        head = self._receive(self._socket)
        if head.startswith(b"HTTP/1.0") or b"\r\nConnection: close" in head:
            self.close()
        return head

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._socket:
            self._socket.close()
            self._socket = None

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _some(connection)
        head = received[:end]
        length = _LENGTH.search(head)
        missing = int(length.group(1)) - (len(received) - end - 4) if length else 0
        while missing > 0:
            missing -= len(_some(connection))
        return head


def _some(connection: socket.socket) -> bytes:
    received = connection.recv(RECEIVED_AT_ONCE_BYTES)
    if not received:
        raise ConnectionError("the server closed the connection")
    return received


def _request(address: tuple[str, int], picture: bytes) -> bytes:
    disposition = 'Content-Disposition: form-data; name="image"; filename="picture.jpg"'
    form = f"--{_BOUNDARY}\r\n{disposition}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    form += picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
    lines = [
        "POST /predict HTTP/1.1",
        f"Host: {address[0]}:{address[1]}",
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}",
        f"Content-Length: {len(form)}",
    ]
    return "\r\n".join([*lines, "\r\n"]).encode() + form


def send_for(url: str, picture: bytes, clients: int, seconds: float, warm_up_s: float) -> Round:
    """Send for some seconds after a warm-up, and return what the clients saw in them."""
    measured_from = time.perf_counter() + warm_up_s
    until = measured_from + seconds
    return _run(url, picture, clients, lambda: time.perf_counter() < until, (measured_from, until))


def send_so_many(url: str, picture: bytes, clients: int, requests: int) -> Round:
    """Send so many requests, without a warm-up."""
    tickets = itertools.count()
    return _run(url, picture, clients, lambda: next(tickets) < requests)


def _run(
    url: str, picture: bytes, clients: int, more: Callable[[], bool], window: tuple[float, float] | None = None
) -> Round:
    seen = _Seen()
    threads = [threading.Thread(target=_work, args=(url, picture, more, seen)) for _ in range(clients)]
    began, cpu_began = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended, cpu_s = time.perf_counter(), time.process_time() - cpu_began
    if not window or not seen.between(*window):
        # Not even the first answers have come in time, so all that there are must do.
        window = (began, ended)
    return _summary(seen, clients, ended - began, window, cpu_s)


def _work(url: str, picture: bytes, more: Callable[[], bool], seen: _Seen) -> None:
    client = _Client(url, picture)
    while more():
        began = time.perf_counter()
        try:
            head = client.send()
        except OSError as error:
            seen.failures[type(error).__name__] += 1
            client.close()
            continue
        ended = time.perf_counter()
        if head.split(b" ", 2)[1] == b"200":
            seen.answers.append((ended, ended - began, head))
        else:
            seen.failures[head.split(b"\r\n")[0].decode()] += 1
    client.close()


def _summary(seen: _Seen, clients: int, seconds: float, window: tuple[float, float], cpu_s: float) -> Round:
    answers = seen.between(*window)
    if not answers:
        raise NoAnswer(f"no request of {clients} clients was answered: {dict(seen.failures)}")
    latency_ms = percentiles([latency_s * 1000 for _, latency_s, _ in answers])
    return Round(
        clients=clients,
        answered=len(seen.answers),
        failures=dict(seen.failures),
        seconds=seconds,
        images_per_s=len(answers) / (window[1] - window[0]),
        p50_ms=latency_ms["p50"],
        p99_ms=latency_ms["p99"],
        server_timing_ms=_server_timing([head for _, _, head in answers]),
        generator_share=cpu_s / seconds / len(os.sched_getaffinity(0)),
        cpu_ms={"load generator": cpu_s / len(seen.answers) * 1000},
    )


def _server_timing(heads: Sequence[bytes]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for head in heads:
        if found := _TIMING.search(head):
            for name, milliseconds in _TIMING_PART.findall(found.group(1).decode()):
                values.setdefault(name, []).append(float(milliseconds))
    return {name: statistics.median(times) for name, times in values.items()}
