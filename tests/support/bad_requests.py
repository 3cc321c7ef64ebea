"""A table of invalid and unusual requests, each with the expected response."""

import gzip
from collections.abc import Callable
from typing import NamedTuple

from settings import Settings
from tests.conftest import picture
from tests.support.raw_http import BOUNDARY, End, chunked, form, multipart, part, post, request, typed

MAX_BYTES: int = Settings.model_fields["max_upload_bytes"].default
TOO_MANY_BYTES = 11 * 1024 * 1024
RED = picture("red")
NO_HEADER = f"--{BOUNDARY}\r\nX-Nothing: 1\r\n\r\ntext\r\n".encode()
LABEL = "red"
# A bell, an escape sequence, a line break and a script: the service must not echo them, decoded or encoded.
HOSTILE_PATH = "/%07%1b%5b2J%0d%0aSet-Cookie:hostile=1%3Cscript%3E" + "x" * 4000


class Request(NamedTuple):
    """A request and the expected response.

    `detail` is a regular expression for the problem's detail, or for the first label of an accepted picture.
    """

    name: str
    make: Callable[[], bytes]
    status: int
    detail: str
    end: End = End.KEEP_OPEN


def padded(size: int) -> bytes:
    """A valid picture with zeros after it."""
    return RED.ljust(size, b"\0")


def length(value: str) -> bytes:
    return request(RED, f"Content-Length: {value}", "Content-Type: image/png")


FORMS = [
    Request("no body at all", lambda: request(b""), 400, "no picture"),
    Request("a form without fields", multipart, 400, "no file in the multipart field `image`"),
    Request("another field's file", lambda: form(RED, 'name="file"; filename="a.png"'), 400, "no file .* `image`"),
    Request("a file of no field", lambda: form(RED, 'filename="a.png"'), 400, "broken .*: .* Missing name"),
    Request("a text field", lambda: form(b"castle.jpg", 'name="image"'), 400, "text, not a file"),
    Request("a large text field", lambda: form(padded(5_000_000), 'name="image"'), 400, "text, not a file"),
    Request("33 files", lambda: multipart(*[part(RED)] * 33), 400, "33 pictures; at most 32"),
    Request("two fields", lambda: multipart(part(b"text", 'name="file"; filename="a"'), part(RED)), 200, LABEL),
    Request("a file and a text", lambda: multipart(part(b"text", 'name="image"'), part(RED)), 200, LABEL),
    Request(
        "2000 fields", lambda: multipart(*[part(b"", f'name="{n}"') for n in range(2000)]), 400, "more than 1000 fields"
    ),
    Request("a file without a name", lambda: form(RED, 'name="image"; filename=""'), 200, LABEL),
    Request("no file chosen", lambda: form(b"", 'name="image"; filename=""'), 400, "empty"),
    Request("../ as a name", lambda: form(RED, 'name="image"; filename="../../../etc/passwd"'), 200, LABEL),
    Request("control characters as a name", lambda: form(RED, 'name="image"; filename="\0\x1b[2J\x07"'), 200, LABEL),
    Request("a name of 10,000 letters", lambda: form(RED, f'name="image"; filename="{"x" * 10_000}"'), 200, LABEL),
    Request("no boundary", lambda: multipart(part(RED), boundary=""), 400, "form is broken .*boundary"),
    Request("another boundary", lambda: multipart(part(RED), boundary="other"), 400, "form is broken"),
    Request("a boundary of 8000 letters", lambda: multipart(part(RED), boundary="x" * 8000), 400, "form is broken"),
    Request("a form without an end", lambda: multipart(part(RED), end=b""), 400, "broken or incomplete"),
    Request("a part without a header", lambda: multipart(NO_HEADER, part(RED)), 400, "Content-Disposition"),
    Request("a field whose name is not UTF-8", lambda: form(RED, 'name="\xff"'), 400, "no file .* `image`"),
    Request("a file whose name is not UTF-8", lambda: form(RED, 'name="image"; filename="\xff.png"'), 200, LABEL),
    Request("half of a form", lambda: form(RED)[:-60], 400, r"too early: after \d+ of \d+", End.HALF_CLOSE),
]

TYPES = [
    Request("another picture type", lambda: typed(picture("red", "JPEG"), "image/png"), 200, LABEL),
    Request("an unknown picture type", lambda: typed(RED, "image/x-unheard-of"), 200, LABEL),
    Request("a type in capitals", lambda: typed(RED, "IMAGE/PNG"), 200, LABEL),
    Request("junk parameters", lambda: typed(RED, 'image/png; charset=utf-8; ;;=; a="b; \xff'), 200, LABEL),
    Request("text/plain", lambda: typed(RED, "text/plain"), 415, "type is text/plain"),
    Request("application/octet-stream", lambda: typed(RED, "application/octet-stream"), 415, "octet-stream"),
    Request("a form of a page", lambda: typed(b"image=a", "application/x-www-form-urlencoded"), 415, "urlencoded"),
    Request("multipart/mixed", lambda: typed(RED, f"multipart/mixed; boundary={BOUNDARY}"), 415, "multipart/mixed"),
    Request("an invalid type", lambda: typed(RED, "what?"), 415, "content type is what"),
    Request("no type", lambda: post(RED), 400, "content type is missing"),
    Request("a compressed body", lambda: typed(gzip.compress(RED)), 400, "not a picture"),
    Request("the picture as the body, empty", lambda: typed(b""), 400, "empty"),
]

LENGTHS = [
    Request("the largest body", lambda: typed(padded(MAX_BYTES)), 200, LABEL),
    Request("the largest file", lambda: form(padded(MAX_BYTES)), 200, LABEL),
    Request("a body one byte too large", lambda: typed(padded(MAX_BYTES + 1)), 413, f"at most {MAX_BYTES} bytes"),
    Request("a file one byte too large", lambda: form(padded(MAX_BYTES + 1)), 413, f"at most {MAX_BYTES} bytes"),
    Request("a body of 11 MB", lambda: typed(padded(TOO_MANY_BYTES)), 413, f"at most {MAX_BYTES} bytes"),
    Request("a file of 50 MB", lambda: form(bytes(50_000_000)), 413, f"at most {MAX_BYTES} bytes"),
    Request("a text field of 11 MB", lambda: form(bytes(TOO_MANY_BYTES), 'name="image"'), 400, "text, not a file"),
    Request("a body of 70 MB", lambda: typed(bytes(70_000_000)), 413, "all together 67108864"),
    Request(
        "11 MB from a client that closes",
        lambda: post(padded(TOO_MANY_BYTES), "Content-Type: image/png", "Connection: close"),
        413,
        "at most",
    ),
    Request(
        "11 MB with Expect: 100-continue",
        lambda: post(padded(TOO_MANY_BYTES), "Content-Type: image/png", "Expect: 100-continue"),
        413,
        "at most",
    ),
    Request("11 MB of another type", lambda: typed(padded(TOO_MANY_BYTES), "text/plain"), 415, "content type"),
    Request("chunks", lambda: chunked(RED), 200, LABEL),
    Request("chunks of one byte", lambda: chunked(RED, size=1), 200, LABEL),
    Request("a million chunks of one byte", lambda: chunked(padded(1_000_000), size=1), 400, "too many small chunks"),
    Request(
        "chunks of another coding", lambda: chunked(RED).replace(b"chunked", b"gzip, chunked"), 501, "only `chunked`"
    ),
    Request("chunks of HTTP/1.0", lambda: chunked(RED).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 501, "only `chunked`"),
    Request("chunks, 11 MB of them", lambda: chunked(padded(TOO_MANY_BYTES)), 413, "at most"),
    Request("no chunks", lambda: chunked(b""), 400, "empty"),
    Request("chunks without an end", lambda: chunked(RED, end=b""), 400, "ended too early", End.HALF_CLOSE),
    Request(
        "a chunk size that is not a number", lambda: chunked(RED, end=b"what?\r\n\r\n"), 400, "malformed: .*chunk size"
    ),
    Request(
        "a chunk that is too short",
        lambda: chunked(RED, end=b"5\r\nabc\r\n\r\n"),
        400,
        "ended too early",
        End.HALF_CLOSE,
    ),
    Request("an invalid trailer", lambda: chunked(RED, end=b"0\r\nwhat?\r\n\r\n"), 400, "malformed: .*header"),
    Request("chunks with a length", lambda: chunked(RED, "Content-Length: 5"), 400, "Content-Length can't"),
    Request("a body that ends early", lambda: typed(RED)[:-50], 400, r"too early: after \d+ of \d+", End.HALF_CLOSE),
    Request("a length below the body's", lambda: length(str(len(RED) - 20)), 200, LABEL),
    Request("a negative length", lambda: length("-1"), 400, "Content-Length"),
    Request("a length that is not a number", lambda: length("many"), 400, "Content-Length"),
    Request("an enormous length", lambda: length("9" * 30), 400, "Content-Length overflow"),
    Request("two lengths", lambda: length("5\r\nContent-Length: 6"), 400, "Duplicate Content-Length"),
]

METHODS_AND_PATHS = [
    Request("PUT", lambda: post(RED, start="PUT /predict HTTP/1.1"), 405, "Send a picture with POST"),
    Request("DELETE", lambda: post(RED, start="DELETE /predict HTTP/1.1"), 405, "Send a picture with POST"),
    Request("GET", lambda: request(b"", start="GET /predict HTTP/1.1"), 405, "Send a picture with POST"),
    Request("an unknown method", lambda: post(RED, start="CLASSIFY /predict HTTP/1.1"), 400, "Invalid method"),
    Request("TRACE", lambda: request(b"", start="TRACE /predict HTTP/1.1"), 405, "Send a picture with POST"),
    Request("two slashes", lambda: request(b"", start="GET /docs//swagger-ui.css HTTP/1.1"), 404, "not found"),
    Request("a slash at the end", lambda: post(RED, start="POST /predict/ HTTP/1.1"), 404, "not found"),
    Request(
        "11 MB to an unknown path",
        lambda: post(bytes(TOO_MANY_BYTES), start="POST /nothing HTTP/1.1"),
        404,
        "not found",
    ),
    Request(
        "a path of 10,000 letters", lambda: post(RED, start=f"POST /{'x' * 10_000} HTTP/1.1"), 414, "URL has more than"
    ),
    Request(
        "a query", lambda: post(RED, start="POST /predict?image=castle.jpg HTTP/1.1"), 400, "content type is missing"
    ),
    Request("HTTP/1.0", lambda: typed(RED).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 200, LABEL),
    Request("HTTP/9.9", lambda: typed(RED).replace(b"HTTP/1.1", b"HTTP/9.9", 1), 400, "Invalid HTTP version"),
    Request("HTTP/2 without TLS", lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not valid HTTP"),
    Request("HTTP/2.0", lambda: typed(RED).replace(b"HTTP/1.1", b"HTTP/2.0", 1), 505, "HTTP/1.1"),
    Request(
        "an upgrade", lambda: post(RED, "Content-Type: image/png", "Connection: Upgrade", "Upgrade: h2c"), 200, LABEL
    ),
    Request("no Host", lambda: typed(RED).replace(b"Host: localhost\r\n", b"", 1), 400, "one header `Host`"),
    Request("two Hosts", lambda: post(RED, "Host: other", "Content-Type: image/png"), 400, "one header `Host`"),
    Request(
        "a URL as target",
        lambda: post(RED, "Content-Type: image/png", start="POST http://x/predict HTTP/1.1"),
        200,
        LABEL,
    ),
    Request("a target without a slash", lambda: post(RED, start="POST predict HTTP/1.1"), 400, "not valid HTTP"),
    Request("a broken line", lambda: typed(RED).replace(b"\r\n", b"\n", 2), 400, "not valid HTTP"),
    Request(
        "SCRIPT_NAME as a header",
        lambda: post(RED, "SCRIPT_NAME: /x", "Script-Name: /x", start="POST /x/predict HTTP/1.1"),
        404,
        "not found",
    ),
    Request("500 headers", lambda: post(RED, *[f"X-{n}: 1" for n in range(500)]), 431, "more than 100 headers"),
    Request("a header of 100 KB", lambda: post(RED, "X-Long: " + "x" * 100_000), 431, "bytes of headers"),
    Request("TLS instead of HTTP", lambda: b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400, "not valid HTTP"),
]

REQUESTS = FORMS + TYPES + LENGTHS + METHODS_AND_PATHS
