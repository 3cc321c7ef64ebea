"""Clients in threads that send good and bad pictures, one or several at once, until they are stopped.

They use `requests` and not the stress test's sender, since they judge whole answers.
"""

import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from benchmarks.colour_network import COLOURS, picture
from benchmarks.tally import Tally, Upload

CLIENTS = 16
# Longer than the service's own deadline, which must come first.
CLIENT_TIMEOUT_S = 60
# Leaves the processor to the recovering service.
WAIT_AFTER_REFUSAL_S = 0.2
LONGEST_PAUSE_S = 0.1
# One in so many uploads is bad.
BAD_UPLOAD_INTERVAL = 10
# One in so many requests has several pictures, as a form or in JSON.
SEVERAL_INTERVAL = 4
MOST_PICTURES = 8


def good_uploads() -> list[Upload]:
    """Return pictures of every colour, in several formats and sizes."""
    variants = [("PNG", (64, 48)), ("JPEG", (800, 600)), ("WEBP", (224, 224))]
    return [
        Upload(picture(colour, format_name, size), f"image/{format_name.lower()}", 200, colour)
        for colour in COLOURS
        for format_name, size in variants
    ]


def bad_uploads() -> list[Upload]:
    """Return uploads that must be answered with 400."""
    damaged = picture("red", "JPEG", (800, 600))[:3000]
    return [Upload(content, "image/jpeg", 400) for content in (b"", b"no picture", damaged)]


class Client:
    """Sends the requests of one thread."""

    def __init__(self, number: int, urls: Callable[[], list[str]], tally: Tally, seed: int) -> None:
        self._urls = urls
        self._tally = tally
        self._random = random.Random(f"{seed} {number}")  # noqa: S311
        self._session = requests.Session()
        # A proxy cannot reach this machine's loopback interface.
        self._session.trust_env = False
        if number % 2:
            # Half of the clients open a new connection for every request.
            self._session.headers["Connection"] = "close"
        self._good, self._bad = good_uploads(), bad_uploads()

    def run(self, stop: threading.Event) -> None:
        """Send requests until `stop` is set; the one in flight is finished first."""
        with self._session:
            while not stop.is_set():
                is_several = self._random.randrange(SEVERAL_INTERVAL) == 0
                count = self._random.randint(2, MOST_PICTURES) if is_several else 1
                uploads = [self._choose() for _ in range(count)]
                stop.wait(self._send(uploads) or self._random.uniform(0, LONGEST_PAUSE_S))

    def _choose(self) -> Upload:
        is_bad = self._random.randrange(BAD_UPLOAD_INTERVAL) == 0
        return self._random.choice(self._bad if is_bad else self._good)

    def _send(self, uploads: Sequence[Upload]) -> float:
        """Send one request and judge its answer; return the pause before the next one, in seconds."""
        began = time.monotonic()
        try:
            response = self._post(self._arguments(uploads), began)
        except requests.RequestException as error:
            self._tally.count_failure(error, began)
            return WAIT_AFTER_REFUSAL_S
        self._tally.count_answer(uploads, response, began)
        return WAIT_AFTER_REFUSAL_S if response.status_code == 503 else 0

    def _arguments(self, uploads: Sequence[Upload]) -> dict[str, Any]:
        """Return what `requests` is to send."""
        if len(uploads) == 1:
            return {"data": uploads[0].content, "headers": {"Content-Type": uploads[0].content_type}}
        if self._random.randrange(2):
            return {"files": [("image", ("picture", upload.content)) for upload in uploads]}
        return {"json": {"instances": [{"b64": b64encode(upload.content).decode()} for upload in uploads]}}

    def _post(self, arguments: dict[str, Any], began: float) -> requests.Response:
        """Post; when a web server's port is closed, try another one."""
        while True:
            url = self._random.choice(self._urls()) + "/predict"
            try:
                return self._session.post(url, timeout=CLIENT_TIMEOUT_S, **arguments)
            except requests.ConnectionError as error:
                if not _was_refused(error) or time.monotonic() - began > CLIENT_TIMEOUT_S:
                    raise
                self._tally.count_failover()


def _was_refused(error: BaseException | None) -> bool:
    """Tell whether the connection was refused, so that nothing was sent."""
    while error and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def running_clients(urls: Callable[[], list[str]], tally: Tally, seed: int) -> Iterator[None]:
    """Run the clients during the block; at its end each one finishes its request.

    Args:
        urls: returns the web servers that accept requests now.
        tally: counts the outcomes.
        seed: of the clients' random choices.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [Client(number, urls, tally, seed) for number in range(CLIENTS)]
        runs = [pool.submit(client.run, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
        for run in runs:
            run.result()
