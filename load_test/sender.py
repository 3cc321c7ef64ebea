"""Sends pictures to the service, over connections that are kept open."""

import itertools
from collections.abc import Sequence
from typing import Self

import urllib3
from urllib3.connectionpool import connection_from_url
from urllib3.exceptions import HTTPError


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
        # For each request the connection that was used last is taken, so there are never more than are needed at once.
        self._pool = connection_from_url(url, maxsize=connections, timeout=timeout_s, retries=False)
        self._url = f"{url}/predict"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def send(self) -> str:
        """Send the next picture; return the HTTP status, or why there was no answer."""
        body, kind = next(self._forms)
        try:
            return str(self._pool.urlopen("POST", self._url, body, self._headers | {"Content-Type": kind}).status)
        except HTTPError as error:
            return _reason(error)


def _reason(error: BaseException) -> str:
    """Say in the system's words what is behind an error of urllib3."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    if any(isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError) for cause in causes):
        return "timeout"
    return "connection lost" if isinstance(error, urllib3.exceptions.ProtocolError) else type(error).__name__
