"""Reads messages whose JSON may come from another version, or from anybody."""

from functools import cache
from typing import Any, TypeVar, cast

import orjson
from pydantic import TypeAdapter, ValidationError

Message = TypeVar("Message")


def read_message(kind: type[Message], text: bytes | str) -> Message:
    """Read a dataclass from JSON; fields that it does not know are ignored.

    Raises:
        ValueError: the text is not JSON, or a field is missing or has the wrong type. The values are not quoted.
    """
    try:
        message: Message = _adapter(cast(Any, kind)).validate_python(orjson.loads(text))
        return message
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"{field}: {first['msg']}" if field else first["msg"]) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
