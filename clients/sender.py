"""Sends pictures to the service, over connections that are kept open."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import urllib3
from urllib3.connectionpool import connection_from_url
from urllib3.exceptions import HTTPError


class Reply(NamedTuple):
    """What came back: the HTTP status, or why there was no answer, and the answer's headers."""

    outcome: str
    headers: Mapping[str, str]


class Sender:
    """One service and the pictures for it, sent in turn; safe to use from many threads.

    It is light, since it often shares the machine with the service: forms are encoded once, and urllib3 costs a quarter
    of what `requests` does.
    """

    def __init__(
        self, url: str, pictures: Sequence[bytes], connections: int, timeout_s: float, api_key: str | None = None
    ) -> None:
        forms = [urllib3.encode_multipart_formdata({"image": ("image", picture)}) for picture in pictures]
        self._forms = itertools.cycle(forms)
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # Each request takes the connection that was used last, so there are never more than are needed at once.
        self._pool = connection_from_url(url, maxsize=connections, timeout=timeout_s, retries=False)
        self._url = f"{url}/predict"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def send(self) -> str:
        """Send the next picture; return the HTTP status, or why there was no answer."""
        return self.request().outcome

    def request(self) -> Reply:
        """Send the next picture and return what came back."""
        body, content_type = next(self._forms)
        headers = self._headers | {"Content-Type": content_type}
        try:
            response = self._pool.urlopen("POST", self._url, body, headers)
        except HTTPError as error:
            return Reply(_reason(error), {})
        return Reply(str(response.status), response.headers)


def _reason(error: BaseException) -> str:
    """Return the system's words for what is behind an error of urllib3."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return "timeout"
    return "connection lost" if isinstance(error, urllib3.exceptions.ProtocolError) else type(error).__name__
