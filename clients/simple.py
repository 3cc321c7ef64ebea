"""What `simple_request.py` does: send pictures one after the other, and print the five classes of each."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from clients.output import show
from clients.picture_files import find_pictures
from clients.rows import one_line
from clients.service import Service, explain
from clients.stop_signal import INTERRUPTED

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
            images = find_pictures(names)
            with Service(self.url, self.api_key) as service:
                if self.wait_s:
                    service.wait_until_ready(self.wait_s)
                # A list, since a picture that failed does not keep the others from being sent.
                good = [self._show(image, self._classify(image, service), len(images) > 1) for image in images]
        except requests.RequestException as error:
            return _fail(self.url, explain(error))
        except BrokenPipeError:
            return 1  # nobody reads the answers
        except OSError as error:
            return _fail(error.filename or self.url, error.strerror or str(error))
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0 if all(good) else 1

    def _classify(self, image: str, service: Service) -> dict[str, Any]:
        """Send a picture; if it cannot be read, or there is no answer, return an error in the service's form.

        Raises:
            requests.RequestException: there is no service at all.
        """
        try:
            upload = sys.stdin.buffer.read() if image == STANDARD_INPUT else Path(image).read_bytes()
        except OSError as error:
            return {"success": False, "detail": error.strerror}
        try:
            return service.classify(upload, self.retry_s, _say_retry)
        except requests.RequestException as error:
            if not service.was_there:
                raise
            return {"success": False, "detail": explain(error)}

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
            _fail(image, self._reason(answer))
        return good

    def _reason(self, answer: dict[str, Any]) -> str:
        if answer.get("status") == requests.codes.unauthorized:
            problem = "does not know this API key" if self.api_key else "requires an API key"
            return f"the service {problem}; pass one with --api-key, or set API_KEY"
        return str(answer.get("detail", answer))


def _say_retry(reason: str, wait_s: float) -> None:
    print(f"{reason} (next try in {wait_s:g} s)", file=sys.stderr)


def _fail(name: str, reason: str | None) -> int:
    print(f"{name}: {reason}", file=sys.stderr)
    return 1
