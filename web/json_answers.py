"""JSON in answers."""

from typing import Any

import orjson
from flask.json.provider import JSONProvider


class OrjsonProvider(JSONProvider):
    """Writes JSON with orjson, which knows dataclasses and takes a twentieth of the time of Flask's own."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Return JSON in UTF-8, with the newline that a terminal needs behind it."""
        return orjson.dumps(obj, option=orjson.OPT_APPEND_NEWLINE).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Return the value of JSON."""
        return orjson.loads(s)
