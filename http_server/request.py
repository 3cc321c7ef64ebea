"""A whole request, and why one was refused."""

import uuid
from http import HTTPStatus
from typing import NamedTuple


class Request(NamedTuple):
    """A request with its body.

    Attributes:
        method: such as `POST`.
        target: as the client sent it.
        version: `1.0` or `1.1`.
        headers: name and value, in the order in which they came.
        body: empty where `body_bytes` is more than the server accepts.
        body_bytes: how many there are, or as many as the client has announced.
        keep_alive: whether the client may send another request on this connection.
    """

    method: str
    target: bytes
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    body_bytes: int
    keep_alive: bool


class RequestRefused(Exception):
    """The server answers a request itself, and closes its connection.

    Args:
        status: of the answer.
        detail: what was wrong; it must hold nothing that came from the client.
    """

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.id = uuid.uuid4().hex
        self.status = status
        self.detail = detail
