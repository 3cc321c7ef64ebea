"""Sends one picture until there is an answer to it, or nobody answers, and makes its row.

While the service is busy, it is sent again, however often. Where nobody answers, others go first (`picture_queue.py`).
`send_again.py` is for requests that know nothing of each other; here all slow down together.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from clients.connections import Connections, elsewhere, is_distrust, reason
from clients.pace import GaveUp, Pace
from clients.picture_upload import Picture, Unreadable, opened
from clients.rows import GOOD, Row

# A limit of this client, which holds for each of its requests.
TOO_MANY_REQUESTS = 429
# The service does not take any picture now.
BUSY = (TOO_MANY_REQUESTS, 503)
# Nobody has answered: the upload was too slow, or a proxy or a web server has waited in vain.
UNANSWERED = (408, 502, 504)
# What every other picture would get, too.
HOPELESS = {
    401: "the service requires an API key, or another one; pass it with --api-key, or set API_KEY",
    403: "the service refuses this client",
    404: "what answers there is not the picture classifier",
    405: "what answers there is not the picture classifier",
    407: "the proxy requires a name and a password; they belong to its address, as in http://name:password@proxy:3128",
    421: "the service does not answer for this host; pass a name that its TRUSTED_HOSTS lists with --url",
}
# The bytes decide which format it is.
CONTENT_TYPE = "image/*"


class Setback(NamedTuple):
    """Why a picture was not answered.

    Attributes:
        problem: in words.
        status: the HTTP status; None where there was none.
        retry_after_s: when the service wants to be asked again.
    """

    problem: str
    status: int | None = None
    retry_after_s: float | None = None


class Unanswered(NamedTuple):
    """Nobody answered to a picture. It may be sent again, since classifying has no side effects.

    Attributes:
        row: what it gets if it is not sent again.
        began: when it was sent, as `Pace.begin` says it.
        wait_s: how long it has to wait before it is sent again, in seconds.
    """

    row: Row
    began: float
    wait_s: float


class Classification:
    """One service; safe to use from many threads.

    Args:
        connections: to the service.
        pace: when requests may begin.
    """

    def __init__(self, connections: Connections, pace: Pace) -> None:
        self._connections = connections
        self._pace = pace

    def classify(self, picture: Picture) -> Row | Unanswered | None:
        """Return the row of a picture, or that nobody answered; None when the run ends before.

        Raises:
            GaveUp: no picture can be classified.
        """
        while (began := self._pace.begin()) is not None:
            result = self._send(picture)
            if isinstance(result, Row):
                return result
            is_limit = result.status == TOO_MANY_REQUESTS
            wait_s = self._pace.back_off(began, result.problem, result.retry_after_s, everyone=is_limit)
            if result.status not in BUSY:
                row = replace(picture.row, status=result.status, problem=result.problem)
                return Unanswered(row, began, wait_s)
            self._pace.rest(wait_s)
        return None

    def _send(self, picture: Picture) -> Row | Setback:
        try:
            with opened(picture.path) as (blocks, size):
                headers = {"Content-Type": CONTENT_TYPE, "Content-Length": str(size)}
                response = self._connections.post(blocks, headers)
        except Unreadable as error:
            self._pace.leave()
            return replace(picture.row, problem=str(error))
        except HTTPError as error:
            if is_distrust(error):
                raise GaveUp(
                    "the service's certificate is not trusted; REQUESTS_CA_BUNDLE names a file with others"
                ) from error
            return Setback(f"no answer: {reason(error)}")
        result = _result(picture.row, response)
        if isinstance(result, Row):
            self._pace.answered()
        return result


def _result(row: Row, response: BaseHTTPResponse) -> Row | Setback:
    """Return what an answer says of a picture.

    Raises:
        GaveUp: it says that no picture can be classified.
    """
    status, fields = response.status, _fields(response)
    if status in HOPELESS:
        raise GaveUp(HOPELESS[status])
    if 300 <= status < 400:
        raise GaveUp(elsewhere(status, response.headers.get("Location")))
    if status in BUSY or status in UNANSWERED:
        return Setback(_problem(status, fields), status, _retry_after_s(response))
    if status != GOOD:
        return replace(row, status=status, problem=_problem(status, fields))
    predictions = fields.get("predictions")
    if not (predictions and isinstance(predictions, list) and all(isinstance(found, dict) for found in predictions)):
        return Setback("the answer is not the picture classifier's")
    return replace(row, status=status, model=fields.get("model"), predictions=predictions)


def _fields(response: BaseHTTPResponse) -> Mapping[str, Any]:
    try:
        fields = json.loads(response.data)
    except ValueError:  # a load balancer in front of it writes no JSON
        return {}
    return fields if isinstance(fields, dict) else {}


def _problem(status: int, fields: Mapping[str, Any]) -> str:
    words = [str(fields[name]) for name in ("title", "detail") if fields.get(name)]
    return ": ".join(words) or f"HTTP status {status}"


def _retry_after_s(response: BaseHTTPResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
