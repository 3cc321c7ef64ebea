"""Sends again what broke before an answer came, as when the web server's process is killed; never what was answered.

This is safe, since classifying has no side effects: at worst a picture is computed twice.
"""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

# Until the next try, in seconds. A process that was killed is replaced in about two seconds.
WAITS_S = (0.5, 1.0, 2.0)

Answer = TypeVar("Answer")


def broke(error: BaseException) -> bool:
    """Tell whether the connection was reset or closed; libraries wrap Python's own errors, which say so.

    Where it is refused, no web server runs: one whose process was killed still takes connections.
    """
    return any(isinstance(cause, ConnectionError) for cause in causes(error)) and not is_refused(error)


def is_refused(error: BaseException) -> bool:
    """Tell whether nobody listens at the address."""
    return any(isinstance(cause, ConnectionRefusedError) for cause in causes(error))


def send_again(
    send: Callable[[], Answer],
    timeout_s: float,
    on_break: Callable[[float], object],
    is_retried: Callable[[Exception], bool] = broke,
) -> Answer:
    """Send, and up to three times more while the connection breaks before an answer came.

    Args:
        send: sends once and returns the answer.
        timeout_s: when no further try is begun, in seconds.
        on_break: called with the time until the next try, in seconds.
        is_retried: tells after which errors there is a next try.

    Raises:
        Exception: what `send` has raised at last.
    """
    end = time.monotonic() + timeout_s
    for wait_s in WAITS_S:
        try:
            return send()
        except Exception as error:
            if not is_retried(error) or time.monotonic() + wait_s > end:
                raise
        on_break(wait_s)
        time.sleep(wait_s)
    return send()


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors behind it."""
    cause: BaseException | None = error
    while cause:
        yield cause
        cause = cause.__cause__ or cause.__context__
