"""Requests are read whole, however they are cut into pieces, and nothing else is taken for one."""

import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_server.limits import MAX_HEAD_BYTES, MAX_HEADERS
from http_server.request import Request, RequestRefused
from http_server.request_parser import RequestParser, Stage

MAX_BODY_BYTES = 1000
PLAIN = b"POST /a?b HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED_HEAD = b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"2\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n"
UPGRADE = b"POST /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def parse(*parts: bytes) -> RequestParser:
    parser = RequestParser(MAX_BODY_BYTES)
    for part in parts:
        parser.feed(part)
    return parser


def all_requests(parser: RequestParser, parts: Iterable[bytes]) -> Iterator[Request]:
    for part in parts:
        rest = part
        while rest or parser.whole:
            rest = parser.feed(rest)
            while parser.whole:
                yield parser.whole.popleft()


def refusal(*parts: bytes) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        parse(*parts)
    return caught.value


@given(st.sets(st.integers(1, len(PLAIN + CHUNKED + UPGRADE + GET))))
def test_pieces_of_any_size_make_the_same_requests(cuts: set[int]) -> None:
    data = PLAIN + CHUNKED + UPGRADE + GET
    ends = [*sorted(cuts), len(data)]
    parser = RequestParser(MAX_BODY_BYTES)
    requests = list(all_requests(parser, (data[begin:end] for begin, end in zip([0, *ends], ends, strict=False))))
    assert [(request.target, request.body) for request in requests] == [
        (b"/a?b", b"hello"),
        (b"/c", b"hello"),
        (b"/u", b"hello"),
        (b"/", b""),
    ]
    assert all(request.keep_alive for request in requests)
    assert parser.stage is Stage.IDLE
    assert parser.held_bytes == 0


@given(st.binary(max_size=300))
def test_nothing_else_than_a_refusal_comes_of_garbage(garbage: bytes) -> None:
    parser = parse(PLAIN)
    with suppress(RequestRefused):
        parser.feed(garbage)
        parser.check_complete()
    assert parser.whole[0].body == b"hello"


@pytest.mark.parametrize("after", [b"", b" \t"])
@pytest.mark.parametrize("zeros", [0, 1, 5000])
@pytest.mark.parametrize("body", [b"hello", b"0123456789", b""])
def test_the_length_of_a_body_may_have_zeros_before_it_and_spaces_after_it(
    body: bytes, zeros: int, after: bytes
) -> None:
    length = b"0" * zeros + str(len(body)).encode() + after
    (request,) = parse(PLAIN[:-5].replace(b": 5", b": " + length) + body).whole
    assert (request.body, request.keep_alive) == (body, True)


def test_nothing_is_kept_of_a_body_that_is_too_large() -> None:
    announced = parse(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + bytes(900))
    (request,) = announced.whole
    assert (request.body, request.body_bytes, request.keep_alive) == (b"", 5000, False)
    chunk = b"1f4\r\n" + bytes(500) + b"\r\n"
    chunked = parse(CHUNKED_HEAD, *[chunk] * 10)
    (request,) = chunked.whole
    assert (request.body, request.body_bytes, request.keep_alive) == (b"", 1500, False)
    assert announced.held_bytes == chunked.held_bytes == 0


@pytest.mark.parametrize(
    ("head", "part"),
    [(PLAIN[:-5].replace(b": 5", b": 900000"), b"xx"), (CHUNKED_HEAD, b"6\r\nxxxxxx\r\n")],
)
def test_a_body_takes_no_more_memory_when_it_comes_in_many_small_parts(head: bytes, part: bytes) -> None:
    parser = RequestParser(10**6)
    parser.feed(head)
    tracemalloc.start()
    try:
        while parser.held_bytes < 300_000:
            parser.feed(part)
        assert tracemalloc.get_traced_memory()[0] < 2 * 300_000
    finally:
        tracemalloc.stop()


def test_a_body_of_many_small_chunks_is_refused_before_it_costs_much() -> None:
    parser = RequestParser(10**9)
    parser.feed(CHUNKED_HEAD)
    parser.feed(b"1\r\nx\r\n" * 10_000)
    with pytest.raises(RequestRefused, match="too many small chunks"):
        parser.feed(b"1\r\nx\r\n" * 10_000)


def test_a_trailer_is_as_large_as_a_head_at_most_however_large_the_body_is() -> None:
    parser = RequestParser(10**6)
    parser.feed(CHUNKED_HEAD + b"7a120\r\n" + bytes(500_000) + b"\r\n0\r\nX: ")
    parser.feed(b"x" * (MAX_HEAD_BYTES - 10))
    assert not parser.whole
    with pytest.raises(RequestRefused, match="bytes of trailers") as caught:
        parser.feed(b"x" * 5000)
    assert caught.value.status == 431


@pytest.mark.parametrize("size", [10, MAX_HEAD_BYTES - 10])
def test_a_trailer_up_to_that_is_ignored(size: int) -> None:
    (request,) = parse(CHUNKED.replace(b"Trailer: 1", b"X: " + b"x" * size)).whole
    assert request.body == b"hello"
    assert "x" not in dict(request.headers)


def test_a_body_has_ended_when_more_than_the_head_of_a_chunk_has_come_without_a_byte_of_it() -> None:
    parser = parse(CHUNKED_HEAD)
    stages = []
    for part in (b"2", b"\r\n", b"he", b"\r\n3\r\n", b"llo", b"\r\n0\r\n", b"X: ", b"x\r\n", b"\r\n"):
        parser.feed(part)
        stages.append(parser.stage)
    assert stages == [Stage.BODY] * 6 + [Stage.TRAILER] * 2 + [Stage.IDLE]
    assert parser.whole[0].body == b"hello"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (GET.replace(b"Host: x", b"X: y"), 400),
        (GET.replace(b"Host: x", b"Host: x\r\nHost: x"), 400),
        (GET.replace(b"1.1", b"2.0"), 505),
        (b"GET /\r\n\r\n", 505),
        (GET.replace(b"/ ", b"/" + b"x" * 9000 + b" "), 414),
        (GET.replace(b"Host", b"A: b\r\n" * MAX_HEADERS + b"Host"), 431),
        (GET.replace(b"Host", b"A: " + b"b" * MAX_HEAD_BYTES + b"\r\nHost"), 431),
        (CHUNKED.replace(b"chunked", b"gzip, chunked"), 501),
        (CHUNKED.replace(b"1.1", b"1.0"), 501),
        (CHUNKED.replace(b"Host: x", b"Host: x\r\nContent-Length: 5"), 400),
        (PLAIN.replace(b"Length: 5", b"Length: 5\r\nContent-Length: 5"), 400),
    ],
)
def test_what_is_not_a_valid_request_is_refused(data: bytes, status: int) -> None:
    assert refusal(data).status == status


def test_a_head_without_an_end_is_refused_even_in_one_header() -> None:
    assert refusal(b"GET / HTTP/1.1\r\nA: ", *[b"b" * 1000] * 100).status == 431


def test_nothing_is_read_after_the_last_request() -> None:
    parser = parse(GET.replace(b"Host", b"Connection: close\r\nHost") + GET, GET)
    assert len(parser.whole) == 1


def test_an_offer_of_another_protocol_is_ignored_however_often_it_is_made() -> None:
    offer = UPGRADE.replace(b"Length: 5", b"Length: 0")[:-5]
    requests = list(all_requests(RequestParser(MAX_BODY_BYTES), [offer * 900]))
    assert len(requests) == 900
    assert all(request.keep_alive for request in requests)


def test_what_follows_an_ignored_offer_is_checked_like_everything_else() -> None:
    with pytest.raises(RequestRefused, match="Host"):
        list(all_requests(RequestParser(MAX_BODY_BYTES), [UPGRADE + GET.replace(b"Host: x", b"X: y")]))
    (request,) = parse(UPGRADE.replace(b"Connection: ", b"Connection: close, ")).whole
    assert not request.keep_alive


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (GET[:-3], "in the middle of its headers"),
        (PLAIN[:-2], "after 3 of 5 bytes"),
        (CHUNKED[:-30], "too early"),
        (CHUNKED[:-2], "too early"),
    ],
)
def test_a_request_that_ends_early_is_refused(data: bytes, detail: str) -> None:
    parser = parse(data)
    with pytest.raises(RequestRefused, match=detail):
        parser.check_complete()
