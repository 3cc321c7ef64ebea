"""Turns the bytes of a connection into whole requests, within limits."""

from collections import deque
from enum import Enum, auto
from http import HTTPStatus

import httptools

from http_server.incoming_request import IncomingRequest
from http_server.limits import MAX_CHUNK_OVERHEAD_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from http_server.request import Request, RequestRefused

VERSIONS = ("1.0", "1.1")
# Read at a time where a request may end: in so many there are up to 160 requests, which take 0.4 KB of memory each.
PORTION_BYTES = 4096


class Stage(Enum):
    """How far the request has come that is being received."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    # The body has ended, but not what may follow the last chunk: RFC 9112, section 7.1.2.
    TRAILER = auto()


class RequestParser:
    """Collects requests in `whole`.

    After an error, or a request that is the connection's last one, it takes no more bytes.

    Args:
        max_body_bytes: of a larger body nothing is kept.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.whole: deque[Request] = deque()
        self.stage = Stage.IDLE
        self.expects_continue = False
        self._max_body_bytes = max_body_bytes
        self._message = IncomingRequest()
        # It calls the methods whose names begin with `on_`.
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    @property
    def received_bytes(self) -> int:
        """How much has come of a body that has not ended."""
        return self._message.body_bytes if self.stage is Stage.BODY else 0

    @property
    def held_bytes(self) -> int:
        """How many bytes of bodies this keeps in memory."""
        kept = 0 if self._message.is_delivered else self._message.body_bytes
        return kept + sum(len(request.body) for request in self.whole)

    def feed(self, data: bytes) -> bytes:
        """Take what the client has sent, up to the end of a request or a little further, and return what is left.

        Raises:
            RequestRefused: it is not valid HTTP, or exceeds a limit. Requests in `whole` came before.
        """
        while data and self._parser and not self.whole:
            count = self._portion_bytes()
            data = self._feed(self._parser, data[:count]) + data[count:]
        return data if self._parser else b""

    def _portion_bytes(self) -> int:
        if self.stage is Stage.BODY and self._message.announced_bytes is not None:
            return max(1, self._message.announced_bytes - self._message.body_bytes)
        return PORTION_BYTES

    def _feed(self, parser: httptools.HttpRequestParser, data: bytes) -> bytes:
        """Parse; return what has to be parsed again."""
        self._message.wire_bytes += len(data)
        try:
            parser.feed_data(data)
            if self.stage is Stage.BODY and self._message.trailer_bytes:
                self.stage = Stage.TRAILER
            self._check_wire_bytes()
        except httptools.HttpParserUpgrade as error:
            return self._without_upgrade(parser, data[int(error.args[0]) :])
        except httptools.HttpParserCallbackError as error:
            self.stop()
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            if self._parser:  # else this is what follows the last request
                self.stop()
                what = "upload is" if self.stage in (Stage.BODY, Stage.TRAILER) else "request is not valid HTTP or"
                raise RequestRefused(HTTPStatus.BAD_REQUEST, f"The {what} malformed: {error}.") from None
        return b""

    def check_complete(self) -> None:
        """Refuse a request that has only begun, now that the client sends no more.

        Raises:
            RequestRefused: there is one.
        """
        if self.stage is Stage.HEAD:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "The request ended in the middle of its headers.")
        if self.stage in (Stage.BODY, Stage.TRAILER):
            announced = self._message.announced_bytes
            of = f" of {announced}" if announced is not None else ""
            detail = f"The upload ended too early: after {self._message.body_bytes}{of} bytes."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, detail)

    def stop(self) -> None:
        """Take no more bytes."""
        self._parser = None

    def forget(self) -> None:
        """Take no more bytes, and forget those that have come."""
        self.stop()
        self.expects_continue = False
        self.whole.clear()
        self._message = IncomingRequest()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._message = IncomingRequest()
        self.stage = Stage.HEAD

    def on_url(self, part: bytes) -> None:
        """Take a part of the request's target."""
        self._message.target += part
        if len(self._message.target) > MAX_TARGET_BYTES:
            raise RequestRefused(HTTPStatus.REQUEST_URI_TOO_LONG, f"The URL has more than {MAX_TARGET_BYTES} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are ignored."""
        message = self._message
        if self.stage is not Stage.HEAD:
            return
        message.head_bytes += len(name) + len(value)
        if len(message.headers) == MAX_HEADERS:
            raise _headers_too_large(f"more than {MAX_HEADERS} headers")
        if message.head_bytes > MAX_HEAD_BYTES:
            raise _headers_too_large(f"more than {MAX_HEAD_BYTES} bytes of headers")
        message.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Check the head; a body that is announced to be too large is not awaited."""
        message = self._message
        self._check_head(message)
        self.stage = Stage.BODY
        message.wire_bytes = 0
        length = message.header("content-length")
        # Without leading zeros, of which there may be more than Python converts: 4,300 digits.
        message.announced_bytes = int(length.lstrip("0").strip() or "0") if length else None
        if self._ignores_upgrade:
            return
        if (message.announced_bytes or 0) > self._max_body_bytes:
            self._deliver(message.announced_bytes or 0)
        else:
            self.expects_continue = self._version == "1.1" and message.header("expect").lower() == "100-continue"

    def on_chunk_header(self) -> None:
        """Begin a chunk, or what follows the last one."""
        self._message.wire_bytes_at_chunk = self._message.wire_bytes

    def on_body(self, part: bytes) -> None:
        """Take a part of the body."""
        message = self._message
        self.expects_continue = False
        message.wire_bytes_at_chunk = None
        message.body_bytes += len(part)
        if not message.is_delivered:
            message.body += part
            if message.body_bytes > self._max_body_bytes:
                self._deliver(message.body_bytes)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._ignores_upgrade:
            return
        if not self._message.is_delivered:
            self._deliver(self._message.body_bytes)
        self.stage = Stage.IDLE
        self.expects_continue = False

    @property
    def _version(self) -> str:
        return self._parser.get_http_version() if self._parser else ""

    @property
    def _ignores_upgrade(self) -> bool:
        """Whether the client offers another protocol: which no server has to take, RFC 9110, section 7.8."""
        return bool(self._parser and self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT")

    def _without_upgrade(self, parser: httptools.HttpRequestParser, rest: bytes) -> bytes:
        """Return the request as if there had been no offer, since httptools reads no body after one."""
        if not self._ignores_upgrade:
            self.stop()
            return b""
        message = self._message
        lines = [f"{parser.get_method().decode()} {message.target.decode('latin-1')} HTTP/{self._version}"]
        lines += [f"{name}: {value}" for name, value in message.headers if name != "upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + rest

    def _check_head(self, message: IncomingRequest) -> None:
        if self._version not in VERSIONS:
            raise RequestRefused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Send HTTP/1.1 or HTTP/1.0.")
        hosts = sum(name == "host" for name, _value in message.headers)
        if hosts > 1 or (hosts == 0 and self._version == "1.1"):  # RFC 9112, section 3.2
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "Send one header `Host`.")
        coding = message.header("transfer-encoding")
        if coding and (self._version == "1.0" or coding.lower() != "chunked"):
            raise RequestRefused(HTTPStatus.NOT_IMPLEMENTED, "Of all transfer codings only `chunked` is understood.")

    def _check_wire_bytes(self) -> None:
        message = self._message
        if self.stage is Stage.HEAD and message.wire_bytes > MAX_TARGET_BYTES + 2 * MAX_HEAD_BYTES:
            raise _headers_too_large(f"more than {MAX_HEAD_BYTES} bytes of headers")
        if self.stage is Stage.BODY and message.wire_bytes > 2 * message.body_bytes + MAX_CHUNK_OVERHEAD_BYTES:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "The upload comes in too many small chunks.")
        # Until a trailer is whole, httptools copies all of it for each part that comes.
        if self.stage is Stage.TRAILER and message.trailer_bytes > MAX_HEAD_BYTES:
            raise _headers_too_large(f"more than {MAX_HEAD_BYTES} bytes of trailers")

    def _deliver(self, body_bytes: int) -> None:
        message = self._message
        message.is_delivered = True
        received, message.body = message.body, bytearray()
        if not self._parser:
            return  # this follows the connection's last request
        fits = body_bytes <= self._max_body_bytes
        method, body = self._parser.get_method().decode(), bytes(received) if fits else b""
        keep_alive = fits and method != "CONNECT" and self._parser.should_keep_alive()
        self.whole.append(Request(method, message.target, self._version, message.headers, body, body_bytes, keep_alive))
        if not keep_alive:
            self.stop()


def _headers_too_large(what: str) -> RequestRefused:
    return RequestRefused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"The request has {what}.")
