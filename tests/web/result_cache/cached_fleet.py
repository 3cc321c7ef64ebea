"""A web app with a cache in a real Redis, in front of stub workers whose network a test can change."""

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from errors import ServiceError
from jobs.protocol import JobResult, Keys, WorkerInfo
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
        self, pixels: bytes, job_id: str, deadline: float, client_gone: object, traceparent: str | None
    ) -> JobResult:
        result = super().classify(pixels, job_id, deadline, client_gone, traceparent)
        network = self.alive[-1].fingerprint if self.alive else ""
        return JobResult(job_id, "w1", network, result.predictions, inference_s=0.01, batch_size=1, fingerprint=network)


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
