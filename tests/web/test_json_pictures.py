"""Pictures in JSON take about as much memory as the body has bytes, whatever it holds beside them."""

import json
import sys
from contextlib import suppress

import pytest

from errors import BadRequest
from web.json_pictures import encoded_pictures

LARGE, SMALL = "A" * 2_000_000, "A" * 1000
OTHERS = ["é", "€", "\N{GRINNING FACE}", "\\€", "\\\\\N{GRINNING FACE}", '"€']


def document(encoded: str, name: str, ensure_ascii: bool) -> bytes:
    return json.dumps({"instances": [{"b64": encoded}], "name": name}, ensure_ascii=ensure_ascii).encode()


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "as it is"])
@pytest.mark.parametrize("other", OTHERS)
def test_large_json_must_be_ascii_and_small_json_need_not(other: str, ensure_ascii: bool) -> None:
    with pytest.raises(BadRequest, match="no characters outside of ASCII"):
        encoded_pictures(document(LARGE, other, ensure_ascii))
    assert encoded_pictures(document(SMALL, other, ensure_ascii)) == [SMALL]


@pytest.mark.parametrize("ensure_ascii", [True, False], ids=["escaped", "as it is"])
@pytest.mark.parametrize("other", ["", *OTHERS])
def test_the_text_of_large_json_takes_no_more_memory_than_the_body(other: str, ensure_ascii: bool) -> None:
    body = document(LARGE + other, "", ensure_ascii)
    texts = []
    with suppress(BadRequest):
        texts = encoded_pictures(body)
    assert sum(map(sys.getsizeof, texts)) < 1.1 * len(body)


@pytest.mark.parametrize(("character", "escaped"), [("/", r"\/"), ("+", r"\u002b"), ("+", r"\u002B"), ("=", r"\u003d")])
def test_large_json_may_escape_what_base64_has(character: str, escaped: str) -> None:
    encoded = LARGE + character
    body = document(encoded, "", ensure_ascii=True).replace(character.encode(), escaped.encode())
    assert encoded_pictures(body) == [encoded]


@pytest.mark.parametrize("name", [r"C:\users\uploads\20ac.png", '"quoted"', "two\nlines", "\\" * 5])
def test_large_json_may_have_any_ascii_in_other_fields(name: str) -> None:
    assert encoded_pictures(document(LARGE, name, ensure_ascii=True)) == [LARGE]
