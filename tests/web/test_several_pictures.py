"""A request with several pictures: one answer, in which each picture has its classes or a problem of its own."""

import base64
import gc
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app
from werkzeug.wrappers import Request

from benchmarks.services import wait_until
from errors import DeadlineExceeded, ServiceError, ServiceUnavailable
from jobs.waiting_job import Outcome
from pictures.cell_pool import CellPool
from settings import Settings
from tests.conftest import MakeSettings, picture
from tests.support.stub_queue import StubQueue, stub_app
from tests.web.result_cache.cached_fleet import Fleet
from tests.web.test_app import assert_problem, multipart
from web.uploads import max_body_bytes

RED, BLUE, BAD = picture("red"), picture("blue"), b"no picture"
MakeHttp = Callable[..., FlaskClient]
CLASSES = [{"label": f"label_{rank}", "probability": 0.5 / (rank + 1), "index": 9 - rank} for rank in range(5)]


@pytest.fixture
def queue() -> StubQueue:
    return StubQueue()


@pytest.fixture(scope="module")
def cells() -> Iterator[CellPool]:
    """The decoding processes of all apps of this module."""
    cells = CellPool(Settings(_env_file=None, crop_mode="squash"))  # type: ignore[call-arg]
    yield cells
    cells.close()


@pytest.fixture
def make_http(make_settings: MakeSettings, queue: StubQueue, cells: CellPool) -> MakeHttp:
    """Makes a client of an app with the stub of the queue, or with another one."""
    return lambda stub=queue, **changes: stub_app(make_settings(**changes), stub, cells=cells).test_client()


@pytest.fixture
def collect() -> Iterator[Callable[[], list[object]]]:
    """Has the garbage collector look for what nothing else would free, and returns that."""

    def collect() -> list[object]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        found = list(gc.garbage)
        gc.garbage.clear()
        return found

    gc.disable()
    yield collect
    gc.enable()


@pytest.fixture
def http(make_http: MakeHttp) -> FlaskClient:
    return make_http(max_upload_bytes=100_000)


class BusyQueue(StubQueue):
    """Answers when it is free."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def classify(self, pictures: Mapping[str, bytes], *arguments: Any) -> dict[str, Outcome]:
        answers = super().classify(pictures, *arguments)
        assert self.free.wait(60)
        return answers


def post_form(http: FlaskClient, *uploads: bytes) -> TestResponse:
    return http.post("/predict", **multipart(*[("a.png", upload) for upload in uploads]))


def b64(upload: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(upload).decode()}


def post_json(http: FlaskClient, document: object) -> TestResponse:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return http.post("/predict", data=body, content_type="application/json")


def results(response: TestResponse) -> list[dict[str, Any]]:
    assert response.json is not None
    found: list[dict[str, Any]] = response.json["results"]
    return found


def statuses(response: TestResponse) -> list[int]:
    return [result.get("status", 200) for result in results(response)]


def test_each_picture_gets_its_classes_in_the_same_order_under_an_id_of_its_own(
    http: FlaskClient, queue: StubQueue
) -> None:
    response = post_form(http, RED, BLUE)
    request_id = response.headers["X-Request-ID"]
    each = {"success": True, "model": "resnet50", "precision": "bfloat16", "predictions": CLASSES}
    assert response.status_code == 200
    assert response.json == {
        "success": True,
        "id": request_id,
        "results": [each | {"id": f"{request_id}-{number}"} for number in range(2)],
    }
    assert [pixels[:3] for pixels in queue.pixels] == [b"\xff\0\0", b"\0\0\xff"]
    timing = r"decode;dur=[\d.]+, queue;dur=[\d.]+, inference;dur=[\d.]+, total;dur=[\d.]+"
    assert re.fullmatch(timing, response.headers["Server-Timing"])


def test_a_bad_picture_gets_its_own_problem_and_the_others_their_classes(http: FlaskClient, queue: StubQueue) -> None:
    response = post_form(http, RED, BAD, bytes(100_001), picture(format="PPM"), BLUE)
    assert response.status_code == 200
    assert statuses(response) == [200, 400, 413, 415, 200]
    assert results(response)[1] == {
        "type": "about:blank",
        "title": "Not a picture",
        "status": 400,
        "detail": results(response)[1]["detail"],
        "success": False,
        "id": f"{response.headers['X-Request-ID']}-1",
    }
    assert len(queue.pixels) == 2


def test_a_request_waits_while_other_requests_have_as_many_pictures_as_there_are_threads(
    make_settings: MakeSettings,
) -> None:
    queue, settings = BusyQueue(), make_settings(web_threads=3, request_timeout_s=4)
    cells = CellPool(settings)  # which has to know the same time-out
    cells.decode(RED, lambda: False, time.monotonic() + 60)  # starts their server
    http = stub_app(settings, queue, cells=cells).test_client()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post_form, http, RED, RED, RED)
        try:
            wait_until(lambda: len(queue.pixels) == 3)
            assert statuses(post_form(http, BLUE, BLUE, BLUE)) == [504, 504, 504]
            assert len(queue.pixels) == 3
        finally:
            queue.free.set()
        assert statuses(first.result()) == [200, 200, 200]
    assert statuses(post_form(http, BLUE, BLUE, BLUE)) == [200, 200, 200]
    cells.close()


@pytest.mark.parametrize(
    ("uploads", "status", "each"),
    [((BAD, b""), 400, [400, 400]), ((BAD, bytes(100_001), BAD), 413, [400, 413, 400])],
)
def test_if_no_picture_gets_classes_the_answer_has_the_highest_of_their_statuses(
    uploads: tuple[bytes, ...], status: int, each: list[int], http: FlaskClient, queue: StubQueue
) -> None:
    response = post_form(http, *uploads)
    assert_problem(response, status, "")
    assert statuses(response) == each
    assert queue.pixels == []


def test_if_all_are_too_late_the_answer_is_504(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = DeadlineExceeded("late")
    response = post_form(http, RED, BLUE)
    assert_problem(response, 504, "late")
    assert statuses(response) == [504, 504]


def test_a_full_queue_refuses_all_pictures_and_says_when_to_try_again(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = ServiceUnavailable("full", retry_after_s=1)
    response = post_form(http, RED, BAD, BLUE)
    assert_problem(response, 503, "full")
    assert response.headers["Retry-After"] == "1"
    assert statuses(response) == [503, 400, 503]


def test_more_pictures_than_allowed_are_refused_with_the_limit(make_http: MakeHttp, queue: StubQueue) -> None:
    http = make_http(max_pictures=2)
    for response in (post_form(http, RED, BLUE, RED), post_json(http, {"instances": [b64(RED)] * 3})):
        assert_problem(response, 400, "3 pictures; at most 2")
    assert queue.pixels == []
    assert post_form(http, RED, BLUE).status_code == 200


def test_no_request_may_have_more_pictures_than_the_queue_could_take(make_http: MakeHttp) -> None:
    http = make_http(queue_capacity=1)
    assert_problem(post_form(http, RED, BLUE), 400, "at most 1 are accepted")


@pytest.mark.parametrize("instance", [b64(RED), {"image": b64(RED)}], ids=["b64", "image"])
def test_json_is_answered_like_repeated_fields(instance: object, http: FlaskClient, queue: StubQueue) -> None:
    response = post_json(http, {"instances": [instance, b64(BLUE)], "signature_name": "serving_default"})
    assert response.status_code == 200
    assert [result["predictions"] for result in results(response)] == [CLASSES] * 2
    assert [pixels[:3] for pixels in queue.pixels] == [b"\xff\0\0", b"\0\0\xff"]


def test_json_with_one_picture_is_answered_with_a_list_too(http: FlaskClient) -> None:
    response = post_json(http, {"instances": [b64(RED)]})
    assert [result["predictions"] for result in results(response)] == [CLASSES]


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        ([], "no list `instances`"),
        ({}, "no list `instances`"),
        ({"instances": []}, "no list `instances`"),
        ({"instances": {"b64": ""}}, "no list `instances`"),
        ({"instances": [b64(RED), {}]}, r"no picture in instances\[1\]"),
        ({"instances": ["text"]}, r"no picture in instances\[0\]"),
        ({"instances": [{"b64": 1}]}, r"no picture in instances\[0\]"),
        ({"instances": [{"image": "text"}]}, r"no picture in instances\[0\]"),
        (b"[" * 100_000, "more than 20000 values"),
        (b'{"instances":[' + b"[]," * 100_000 + b"[]]}", "more than 20000 values"),
    ],
)
def test_json_of_another_form_is_a_clear_error(
    document: object, detail: str, http: FlaskClient, queue: StubQueue
) -> None:
    response = post_json(http, document)
    assert_problem(response, 400, detail)
    assert '{"instances": [{"b64": "..."}]}' in (response.json or {})["detail"]
    assert queue.pixels == []


@pytest.mark.parametrize("text", ["%%%", "AAA", "ä", base64.b64encode(b"\xff" * 9).decode().replace("/", "_")])
def test_what_is_not_base64_is_the_problem_of_one_picture(text: str, http: FlaskClient) -> None:
    response = post_json(http, {"instances": [{"b64": text}, b64(RED)]})
    assert statuses(response) == [400, 200]
    assert "not in base64" in results(response)[0]["detail"]


@pytest.mark.parametrize("excess", [1, 2, 3, 1000])
def test_a_picture_in_json_may_have_as_many_bytes_as_any_other(excess: int, http: FlaskClient) -> None:
    largest, larger = RED.ljust(100_000, b"\0"), RED.ljust(100_000 + excess, b"\0")
    assert statuses(post_json(http, {"instances": [b64(largest), b64(larger)]})) == [200, 413]


def test_each_picture_counts_for_the_rate_limit(make_http: MakeHttp, queue: StubQueue) -> None:
    http = make_http(rate_limit="5/hour")
    assert post_form(http, RED, BLUE, RED).status_code == 200
    response = post_form(http, RED, BLUE, RED)
    assert_problem(response, 429, "5 per 1 hour, and each picture counts")
    assert len(queue.pixels) == 3
    assert post_form(http, RED, BLUE).status_code == 200
    assert post_form(http, RED).status_code == 429


def test_the_cache_answers_the_pictures_that_it_knows_and_the_rest_is_computed(
    make_http: MakeHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fleet = Fleet()
    http = make_http(fleet, cache_ttl_s=60)
    post_form(http, RED)
    response = post_form(http, BLUE, RED, BAD)
    assert statuses(response) == [200, 200, 400]
    assert ["cached" in result for result in results(response)] == [False, True, False]
    assert len(fleet.pixels) == 2
    again = post_form(http, RED, BLUE)
    assert ["cached" in result for result in results(again)] == [True, True]
    assert again.headers["Server-Timing"].startswith("cache;desc=hit, total")
    fields = [vars(record)["fields"] for record in caplog.records if record.message == "request_answered"]
    assert [line["cache"] for line in fields] == ["miss", "miss:2,hit", "hit:2"]
    assert [(line["pictures"], line["failed"]) for line in fields[1:]] == [(3, 1), (2, 0)]
    metrics = http.get("/metrics").text
    assert 'classifier_cache_requests_total{outcome="hit"} 3.0' in metrics


def test_pictures_that_the_cache_knows_are_answered_while_the_queue_is_full(make_http: MakeHttp) -> None:
    fleet = Fleet()
    http = make_http(fleet, cache_ttl_s=60)
    post_form(http, RED)
    fleet.refusal = ServiceUnavailable("full", retry_after_s=1)
    response = post_form(http, RED, BLUE)
    assert response.status_code == 200
    assert statuses(response) == [200, 503]


@pytest.mark.parametrize("uploads", [(RED,), (BAD,), (RED, BAD, BLUE)], ids=["one", "a bad one", "several"])
@pytest.mark.parametrize("refused_by", ["check", "push", "nobody"])
def test_errors_do_not_keep_pictures_until_the_garbage_collector_comes(
    refused_by: str, uploads: tuple[bytes, ...], make_http: MakeHttp, collect: Callable[[], list[object]]
) -> None:
    fleet = Fleet()
    fleet.refusal = ServiceUnavailable("full", retry_after_s=1) if refused_by == "check" else None
    fleet.error = ServiceUnavailable("full", retry_after_s=1) if refused_by == "push" else None
    app = make_http(fleet).application
    for _ in range(2):  # the first one sets things up
        gc.collect()
        form = multipart(*[("a.png", upload) for upload in uploads])
        environ = EnvironBuilder("/predict", method="POST", **form).get_environ()  # type: ignore[arg-type]
        run_wsgi_app(app.wsgi_app, environ, buffered=True)
        del environ
    assert [each for each in collect() if isinstance(each, ServiceError | Request)] == []


def test_an_unexpected_error_fails_the_whole_request_and_is_not_shown(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = ZeroDivisionError("secret")
    response = post_form(http, RED, BLUE)
    assert_problem(response, 500, "unexpected")
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 64 * 1024 * 1024),
        ({"max_pictures": 1}, 13_981_016 + 65_536),
        ({"max_pending_bytes": 1}, 13_981_016 + 65_536),
        ({"max_pictures": 2, "max_upload_bytes": 3000}, 2 * 4000 + 65_536),
    ],
)
def test_a_request_may_have_all_its_pictures_in_base64_or_a_quarter_of_all_pending_bytes(
    changes: dict[str, object], expected: int, make_settings: MakeSettings
) -> None:
    assert max_body_bytes(make_settings(**changes)) == expected


def test_a_larger_request_is_told_both_limits(make_http: MakeHttp) -> None:
    http = make_http(max_upload_bytes=3000, max_pictures=1)
    response = http.post("/predict", data=bytes(100_000), content_type="image/png")
    assert_problem(response, 413, "at most 3000 bytes, all together 69536")


def test_errors_of_one_picture_are_those_of_the_request_that_has_only_that(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = ServiceError("why")
    assert_problem(post_form(http, RED), 500, "why")
    assert "results" not in (post_form(http, BAD).json or {})
