"""A web app with a cache in a real Redis, in front of stub workers whose network a test can change."""

from collections.abc import Mapping
from dataclasses import replace

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from errors import ServiceError
from jobs.protocol import JobResult, Keys, WorkerInfo
from jobs.waiting_job import Outcome
from settings import Settings
from tests.conftest import Client, picture
from tests.support.stub_queue import StubQueue, form, stub_app


class Fleet(StubQueue):
    """A stub of the queue, with workers that serve the given networks; it may refuse jobs."""

    def __init__(self, network: str = "old") -> None:
        super().__init__()
        self.refusal: ServiceError | None = None
        self.serve(network)

    def serve(self, *networks: str) -> None:
        self.alive = [WorkerInfo(name, name, "e", 1, "", "h", 1, fingerprint=name) for name in networks]

    def check_admission(self) -> None:
        if self.refusal:
            raise self.refusal

    def workers(self) -> list[WorkerInfo]:
        return self.alive

    def classify(
        self, pictures: Mapping[str, bytes], deadline: float, client_gone: object, traceparent: str | None
    ) -> dict[str, Outcome]:
        outcomes = super().classify(pictures, deadline, client_gone, traceparent)
        network = self.alive[-1].fingerprint if self.alive else ""
        return {
            name: replace(outcome, model=network, fingerprint=network) if isinstance(outcome, JobResult) else outcome
            for name, outcome in outcomes.items()
        }


def http_client(settings: Settings, fleet: Fleet) -> FlaskClient:
    return stub_app(settings, fleet).test_client()


def post(http: FlaskClient, upload: bytes = picture(), key: str = "") -> TestResponse:
    return http.post("/predict", data=form(upload), headers={"Authorization": f"Bearer {key}"})


def is_cached(response: TestResponse) -> bool:
    assert response.status_code == 200, response.text
    assert response.json is not None
    return "cached" in response.json


def cached_keys(client: Client, settings: Settings) -> list[str]:
    found: list[str] = client.keys(Keys(settings).cached("*", "*"))
    return found
