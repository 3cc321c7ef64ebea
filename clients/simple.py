"""What `simple_request.py` does: send pictures one after the other, and print the five classes of each."""

import errno
import json
import sys
from dataclasses import dataclass
from typing import Any

import requests

from clients.output import show
from clients.picture_files import pictures_and_problems, read_content, read_picture
from clients.rows import one_line
from clients.service import Service, explain
from clients.stop_signal import INTERRUPTED
from clients.walk import Found

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class SimpleClient:
    """Sends pictures.

    Attributes:
        url: of the service.
        api_key: None where none is required.
        as_json: print whole answers, one a line.
        wait_s: how long to wait until the service is ready, in seconds.
        retry_s: how long to try again while it is busy or the connection breaks, in seconds.
    """

    url: str
    api_key: str | None
    as_json: bool
    wait_s: float
    retry_s: float

    def run(self, names: list[str]) -> int:
        """Classify pictures and those in folders, and return the exit code."""
        try:
            images = list(pictures_and_problems(names))
            with Service(self.url, self.api_key) as service:
                if self.wait_s:
                    service.wait_until_ready(self.wait_s)
                # A list, since a picture that failed does not keep the others from being sent.
                good = [self._show(image.path, self._answer(image, service), len(images) > 1) for image in images]
        except requests.RequestException as error:
            return _fail(self.url, explain(error))
        except BrokenPipeError:
            return 1  # nobody reads the answers
        except OSError as error:
            return _fail(error.filename or self.url, error.strerror or str(error))
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0 if all(good) else 1

    def _answer(self, image: Found, service: Service) -> dict[str, Any]:
        """Send a picture; if it cannot be read, or there is no answer, return an error in the service's form.

        Raises:
            requests.RequestException: there is no service at all.
        """
        if image.problem:
            return _problem(image.problem)
        try:
            upload = _read(image.path)
        except OSError as error:
            return _problem(error.strerror)
        try:
            return service.classify(upload, self.retry_s, _say_retry)
        except requests.RequestException as error:
            if not service.was_there:
                raise
            return _problem(explain(error))

    def _show(self, image: str, answer: dict[str, Any], with_name: bool) -> bool:
        """Print one answer, and tell whether it was a good one."""
        good = bool(answer.get("success"))
        if self.as_json:
            show(json.dumps({"image": image} | answer))
        elif good:
            lines = [f"{one_line(image)}:"] if with_name else []
            for rank, prediction in enumerate(answer["predictions"], start=1):
                lines.append(f"{rank}. {prediction['label']}: {prediction['probability']:.4f}")
            show("\n".join(lines))
        if not good:
            _fail(one_line(image), self._reason(answer))
        return good

    def _reason(self, answer: dict[str, Any]) -> str:
        if answer.get("status") == requests.codes.unauthorized:
            problem = "does not know this API key" if self.api_key else "requires an API key"
            return f"the service {problem}; pass one with --api-key, or set API_KEY"
        return str(answer.get("detail", answer))


def _read(image: str) -> bytes:
    """Return a picture.

    Raises:
        OSError: it cannot be read, or is too large to be sent.
    """
    if image != STANDARD_INPUT:
        return read_picture(image)
    if not sys.stdin:
        raise OSError(errno.EBADF, "standard input is closed")
    return read_content(sys.stdin.buffer)


def _problem(reason: str | None) -> dict[str, Any]:
    """Return an error in the form of the service's own."""
    return {"success": False, "detail": reason}


def _say_retry(reason: str, wait_s: float) -> None:
    print(f"{reason} (next try in {wait_s:g} s)", file=sys.stderr)


def _fail(name: str, reason: str | None) -> int:
    print(f"{name}: {reason}", file=sys.stderr)
    return 1
