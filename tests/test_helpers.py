"""Pixels encoded as text, and decoded again."""

import pytest

from helpers import decode_pixels, encode_pixels


def test_decoding_returns_the_encoded_pixels() -> None:
    pixels = bytes(range(256)) * 3
    text = encode_pixels(pixels)
    assert len(text) == 1024
    assert decode_pixels(text, len(pixels)) == pixels


@pytest.mark.parametrize("text", ["", "AAA", "AAAA", "????????", "AAAAAAAA\n", "ÄÖÜß"])
def test_invalid_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|bytes of pixels"):
        decode_pixels(text, 6)
