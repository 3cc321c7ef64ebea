"""Sends labelled pictures to the service, several at once, and collects what became of each."""

import threading
from contextlib import ExitStack, suppress
from typing import Self

import requests
from pydantic import BaseModel, ValidationError

from clients.load import Load
from clients.progress import progress_bar
from clients.report import GOOD
from clients.service import Service, explain
from clients.stop_signal import stop_on_signal
from tools.accuracy_report import Outcome, Prediction
from tools.labelled_pictures import LabelledPicture

# How long a picture waits for a busy service.
RETRY_S = 60


def classify_all(
    pictures: list[LabelledPicture], url: str, api_key: str | None, concurrency: int
) -> tuple[list[Outcome], bool]:
    """Send the pictures under a progress bar; return the outcomes, and whether Ctrl-C ended the run early."""
    with (
        _Classifier(pictures, url, api_key) as classifier,
        stop_on_signal() as stop,
        progress_bar(lambda: len(pictures), "pictures", stop) as tick,
    ):
        load = Load(classifier.send, stop, tick)
        with suppress(KeyboardInterrupt):  # the second Ctrl-C, with which requests in flight are given up
            load.closed_loop(concurrency, len(pictures))
        return list(classifier.outcomes), stop.is_set()


class _Answer(BaseModel):
    """The parts of the service's answer that matter here."""

    success: bool
    model: str | None = None
    precision: str | None = None
    predictions: list[Prediction] = []
    detail: str | None = None


class _Classifier:
    """Sends the pictures one after the other; safe to use from many threads.

    Attributes:
        outcomes: of the pictures so far, in the order of the answers.
    """

    def __init__(self, pictures: list[LabelledPicture], url: str, api_key: str | None) -> None:
        self.outcomes: list[Outcome] = []
        self._pictures = iter(pictures)
        self._url = url
        self._api_key = api_key
        self._own = threading.local()
        self._connections = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connections.close()

    def send(self) -> str:
        """Send the next picture; return 200, or why there was no answer."""
        picture = next(self._pictures)
        answer = self._ask(picture)
        problem = None if answer.success else answer.detail or "the service gave no reason"
        outcome = Outcome(
            path=picture.path,
            label=picture.label,
            model=answer.model,
            precision=answer.precision,
            predictions=answer.predictions,
            problem=problem,
        )
        self.outcomes.append(outcome)
        return problem or GOOD

    def _ask(self, picture: LabelledPicture) -> _Answer:
        """Return the answer; if there is none, return the reason in the form of the service's own errors."""
        try:
            return _Answer.model_validate(self._service().classify(picture.file.read_bytes(), RETRY_S))
        except requests.RequestException as error:
            reason = explain(error)
        except OSError as error:
            reason = error.strerror or str(error)
        except ValidationError:
            reason = "what answers there is not the picture classifier"
        return _Answer(success=False, detail=reason)

    def _service(self) -> Service:
        """Return this thread's connection."""
        if not hasattr(self._own, "service"):
            self._own.service = self._connections.enter_context(Service(self._url, self._api_key))
        service: Service = self._own.service
        return service
