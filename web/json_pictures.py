"""Extracts the pictures from JSON as clients of TensorFlow Serving and of KServe (V1) send it."""

import binascii
import re

import orjson
import pybase64

from errors import BadImage, BadRequest, ServiceError

_FORM = 'Send {"instances": [{"b64": "..."}]}, with each picture in base64.'
# Each of these may become an object of 60 bytes or more. Base64 holds none of them, so that these are plenty.
_MARKS = (b"[", b"{", b",")
_MAX_MARKS = 20_000
# With one character outside of ASCII, Python keeps a whole text in up to 4 bytes a character. Base64 has none, and a
# small body costs little if a name in it has some.
_MAX_BYTES_IF_NOT_ASCII = 1024 * 1024
# Behind an odd number of backslashes, since each pair of them stands for a backslash.
_ESCAPE_OF_NOT_ASCII = re.compile(rb"\\(?<!\\\\)(?:\\\\)*+u(?!00[0-7])")


def encoded_pictures(body: bytes) -> list[str]:
    """Return the base64 of each picture.

    Raises:
        BadRequest: the body is not JSON of this form, or would take much more memory than pictures need.
    """
    if sum(body.count(mark) for mark in _MARKS) > _MAX_MARKS:
        raise BadRequest(f"The JSON has more than {_MAX_MARKS} values. {_FORM}")
    if len(body) > _MAX_BYTES_IF_NOT_ASCII and not _is_ascii(body):
        what = "JSON of more than 1 MiB may have no characters outside of ASCII, not even escaped ones"
        raise BadRequest(f"{what}: leave out the fields that have some. {_FORM}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}. {_FORM}") from error
    match document:
        case {"instances": [_, *_] as instances}:
            return [_encoded(instance, position) for position, instance in enumerate(instances)]
        case _:
            raise BadRequest(f"The JSON has no list `instances` with a picture in it. {_FORM}")


def decoded_picture(encoded: str) -> bytes | ServiceError:
    """Return the content of the picture's file, or why there is none."""
    try:
        return pybase64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        return BadImage(f"The picture is not in base64: {error}.")


def _is_ascii(body: bytes) -> bool:
    return body.isascii() and not _ESCAPE_OF_NOT_ASCII.search(body)


def _encoded(instance: object, position: int) -> str:
    match instance:
        case {"b64": str(encoded)} | {"image": {"b64": str(encoded)}}:
            return encoded
        case _:
            raise BadRequest(f"There is no picture in instances[{position}]. {_FORM}")
