"""Sends pictures to the service, over connections that are kept open."""

import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import urllib3
from urllib3.exceptions import HTTPError

from clients.connections import Connections, reason
from clients.send_again import send_again


class Reply(NamedTuple):
    """What came back: the HTTP status, or why there was no answer, and the answer's headers."""

    outcome: str
    headers: Mapping[str, str]


class Sender:
    """One service and the pictures for it, sent in turn; safe to use from many threads.

    It is light, since it often shares the machine with the service: forms are encoded once.

    Args:
        url: of the service.
        pictures: the files' contents.
        connections: how many are kept open.
        timeout_s: when a request is given up for which nothing comes, in seconds.
        api_key: where one is required.
        retry: send again what broke before an answer came.

    Attributes:
        retries: how often something was sent again.
    """

    def __init__(
        self,
        url: str,
        pictures: Sequence[bytes],
        connections: int,
        timeout_s: float,
        api_key: str | None = None,
        retry: bool = False,
    ) -> None:
        forms = [urllib3.encode_multipart_formdata({"image": ("image", picture)}) for picture in pictures]
        self._forms = itertools.cycle(forms)
        self._connections = Connections(url, connections, timeout_s, api_key)
        # No further try is begun after this time.
        self._retry_s = timeout_s if retry else 0.0
        self.retries = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def send(self) -> str:
        """Send the next picture; return the HTTP status, or why there was no answer."""
        return self.request().outcome

    def request(self) -> Reply:
        """Send the next picture and return what came back."""
        body, content_type = next(self._forms)
        headers = {"Content-Type": content_type}
        try:
            response = send_again(lambda: self._connections.post(body, headers), self._retry_s, self._count_retry)
        except HTTPError as error:
            return Reply(reason(error), {})
        return Reply(str(response.status), response.headers)

    def _count_retry(self, _wait_s: float) -> None:
        with self._lock:
            self.retries += 1
