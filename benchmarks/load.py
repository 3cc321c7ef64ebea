"""Clients in threads: they send good and bad pictures, one after the other, until they are told to stop."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests

from benchmarks.colour_network import COLOURS, picture
from benchmarks.outcomes import Outcomes, Upload

CLIENTS = 16
# Above the service's own deadline, which must be the first to strike.
CLIENT_TIMEOUT_S = 60
# So that refused clients do not take the processor from the service's recovery.
WAIT_AFTER_REFUSAL_S = 0.2
LONGEST_THOUGHT_S = 0.1
# One upload in so many is no picture.
BAD_SHARE = 10


def good_uploads() -> list[Upload]:
    """Return pictures of every colour, in several formats and sizes."""
    forms = [("PNG", (64, 48)), ("JPEG", (800, 600)), ("WEBP", (224, 224))]
    return [
        Upload(picture(colour, form, size), f"image/{form.lower()}", 200, colour)
        for colour in COLOURS
        for form, size in forms
    ]


def bad_uploads() -> list[Upload]:
    """Return what is to be answered with 400."""
    damaged = picture("red", "JPEG", (800, 600))[:3000]
    return [Upload(content, "image/jpeg", 400) for content in (b"", b"no picture", damaged)]


class Client:
    """One thread's worth of requests."""

    def __init__(self, number: int, urls: Callable[[], list[str]], outcomes: Outcomes, seed: int) -> None:
        self._urls = urls
        self._outcomes = outcomes
        self._random = random.Random(f"{seed} {number}")  # noqa: S311
        self._session = requests.Session()
        if number % 2:
            # Half of the clients come with a new connection every time.
            self._session.headers["Connection"] = "close"
        self._good, self._bad = good_uploads(), bad_uploads()

    def run(self, stop: threading.Event) -> None:
        """Send requests until `stop` is set; the one in hand is finished first."""
        with self._session:
            while not stop.is_set():
                upload = self._random.choice(self._bad if self._random.randrange(BAD_SHARE) == 0 else self._good)
                stop.wait(self._send(upload) or self._random.uniform(0, LONGEST_THOUGHT_S))

    def _send(self, upload: Upload) -> float:
        """Send and judge one request; return how long to wait before the next one, in seconds."""
        began = time.monotonic()
        try:
            response = self._post(upload, began)
        except requests.RequestException as error:
            self._outcomes.failed(error, began)
            return WAIT_AFTER_REFUSAL_S
        self._outcomes.answered(upload, response, began)
        return WAIT_AFTER_REFUSAL_S if response.status_code == 503 else 0

    def _post(self, upload: Upload, began: float) -> requests.Response:
        """Post; where nobody listens any more, go to another web server."""
        while True:
            url = self._random.choice(self._urls()) + "/predict"
            try:
                return self._session.post(
                    url, data=upload.content, headers={"Content-Type": upload.kind}, timeout=CLIENT_TIMEOUT_S
                )
            except requests.ConnectionError as error:
                if not _was_refused(error) or time.monotonic() - began > CLIENT_TIMEOUT_S:
                    raise
                self._outcomes.moved_on()


def _was_refused(error: BaseException | None) -> bool:
    """Tell whether the web server's port was closed, so that nothing can have been sent."""
    while error and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__ or error.__context__
    return error is not None


@contextmanager
def clients_at_work(urls: Callable[[], list[str]], outcomes: Outcomes, seed: int) -> Iterator[None]:
    """Run the clients until the end of the block, where each one finishes its request.

    Args:
        urls: tells where requests can be sent now.
        outcomes: is told what became of each.
        seed: of the clients' choices.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [Client(number, urls, outcomes, seed) for number in range(CLIENTS)]
        ends = [pool.submit(client.run, stop) for client in clients]
        try:
            yield
        finally:
            stop.set()
        for end in ends:
            end.result()
