"""The service as a client sees it: wait until it is ready, send a picture, try again when it is busy."""

import http.client
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import requests
import urllib3

from clients.connections import authorities, elsewhere, environment_proxy, is_distrust, system_words
from clients.send_again import broke, causes, is_refused, send_again

TIMEOUT_S = 60
LOOK_INTERVAL_S = 0.25
# With these, Retry-After tells when the service expects to be available again.
BUSY = (429, 503)
STRANGER = "what answers there is not the picture classifier"
# A load balancer answers with these what it does not pass on, mostly in HTML.
FROM_LOAD_BALANCERS = (413, 429, 500, 502, 503, 504)
# What may be behind an error, and what it says to a user.
MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (requests.JSONDecodeError, STRANGER),
    (requests.Timeout, "no answer in time"),
    (TimeoutError, "no answer in time"),
    (ConnectionRefusedError, "nobody answers there; `make run` starts the service"),
    (socket.gaierror, "no host of this name is known"),
    (ConnectionError, "the connection was closed before the answer came"),
    (http.client.IncompleteRead, "the connection was closed in the middle of the answer"),
    (http.client.HTTPException, "what answers there does not speak HTTP"),
)


class Service:
    """A connection to the service; to be used with `with`.

    Args:
        url: its address.
        api_key: where one is required.

    Attributes:
        was_there: it has answered, or at least taken a picture, so that it is worth while to send others.
    """

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.was_there = False
        self._url = url
        self._session = requests.Session()
        # `Connections` keeps the same rules. Left to the session, they differ where the service is on this machine.
        self._session.trust_env = False
        self._session.verify = authorities()
        if proxy := environment_proxy(url):
            self._session.proxies = {"all": proxy}
        if api_key:
            self._session.headers["Authorization"] = f"Bearer {api_key}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.close()

    def classify(
        self, upload: bytes, retry_s: float, on_retry: Callable[[str, float], object] = lambda _why, _s: None
    ) -> dict[str, Any]:
        """Send one picture and return the service's answer, which may be an error.

        Args:
            upload: the file's content.
            retry_s: how long to try again while the service is busy, or the connection breaks before an answer came,
                or a service that was there refuses it, in seconds.
            on_retry: called with the reason, and the time until the next try in seconds.

        Raises:
            requests.RequestException: nothing that speaks JSON answers at that address.
        """

        def post() -> requests.Response:
            try:
                return self._session.post(
                    f"{self._url}/predict", files={"image": upload}, timeout=TIMEOUT_S, allow_redirects=False
                )
            except requests.RequestException as error:
                self.was_there |= _was_taken(error)
                raise

        def on_break(wait_s: float) -> None:
            on_retry("No answer: the connection broke.", wait_s)

        end = time.monotonic() + retry_s
        while True:
            left_s = end - time.monotonic()
            response = send_again(post, left_s, on_break, self._is_retried)
            answer, wait_s = _answer(response), _retry_after_s(response)
            self.was_there = True
            if wait_s is None or time.monotonic() + wait_s > end:
                return answer
            on_retry(_detail(response), wait_s)
            time.sleep(wait_s)

    def is_ready(self, timeout_s: float) -> bool:
        """Tell whether the service is ready; False also when nothing answers in that time."""
        try:
            self._check_ready(timeout_s)
        except requests.RequestException:
            return False
        return True

    def wait_until_ready(self, timeout_s: float) -> None:
        """Ask until the service is ready.

        Raises:
            requests.RequestException: it was not ready in time; this is its last answer, or why there was none. Or its
                certificate is not trusted, or it is elsewhere.
        """
        end = time.monotonic() + timeout_s
        while True:
            try:
                self._check_ready(timeout_s)
                return
            except requests.RequestException as error:
                if time.monotonic() > end or is_distrust(error) or isinstance(error, requests.exceptions.InvalidURL):
                    raise
            time.sleep(LOOK_INTERVAL_S)

    def _is_retried(self, error: Exception) -> bool:
        """Tell whether to send again; one that was there is perhaps being restarted."""
        return broke(error) or (self.was_there and is_refused(error))

    def _check_ready(self, timeout_s: float) -> None:
        answer = _fields(self._session.get(f"{self._url}/readyz", timeout=timeout_s, allow_redirects=False))
        if not answer.get("ready"):
            raise requests.RequestException(f"not ready: {answer.get('reason', answer)}")
        self.was_there = True


def explain(error: requests.RequestException) -> str:
    """Return the most likely reason of an error."""
    if isinstance(error, requests.exceptions.ProxyError):
        return f"the proxy does not reach it: {error}"
    behind = list(causes(error))
    for kind, meaning in MEANINGS:
        if any(isinstance(cause, kind) for cause in behind):
            return meaning
    return system_words(error) or str(error)


def _was_taken(error: requests.RequestException) -> bool:
    """Tell whether a picture was sent, and only its answer is missing."""
    torn = (urllib3.exceptions.ReadTimeoutError, http.client.IncompleteRead)
    return broke(error) or any(isinstance(cause, torn) for cause in causes(error))


def _answer(response: requests.Response) -> dict[str, Any]:
    """Return what the service says, or what lies before it, of which only the status counts.

    Raises:
        requests.RequestException: neither has answered.
    """
    try:
        return _fields(response)
    except requests.RequestException:
        if response.status_code not in FROM_LOAD_BALANCERS:
            raise
        detail = f"HTTP status {response.status_code}, which is not from the service itself"
        return {"success": False, "status": response.status_code, "detail": detail}


def _fields(response: requests.Response) -> dict[str, Any]:
    """Return what a JSON answer says.

    Raises:
        requests.RequestException: this is no such answer.
    """
    if 300 <= response.status_code < 400:
        raise requests.exceptions.InvalidURL(elsewhere(response.status_code, response.headers.get("Location")))
    fields = response.json()
    if not isinstance(fields, dict):
        raise requests.RequestException(STRANGER)
    return fields


def _detail(response: requests.Response) -> str:
    """Return the service's own reason; a load balancer in front of it has none."""
    try:
        return str(response.json()["detail"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        return "The service is busy."


def _retry_after_s(response: requests.Response) -> float | None:
    """Return the seconds after which a busy service wants to be asked again; None for any other answer."""
    value = response.headers.get("Retry-After", "")
    return float(value) if response.status_code in BUSY and value.isdecimal() else None
