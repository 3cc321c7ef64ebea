"""The HTTP interface, with a stub of the queue that answers at once."""

import re
from dataclasses import replace
from typing import cast

import pytest
from flask.testing import FlaskClient
from urllib3 import encode_multipart_formdata
from werkzeug.test import TestResponse

from benchmarks.services import wait_until
from errors import DeadlineExceeded, JobFailed, ServiceError, ServiceUnavailable
from jobs.protocol import Prediction
from settings import Settings
from tests.conftest import INFO, MakeSettings, picture
from tests.support.stub_queue import StubQueue, form, stub_app
from web.fresh_copy import FreshCopy


@pytest.fixture
def queue() -> StubQueue:
    return StubQueue()


@pytest.fixture
def http(make_settings: MakeSettings, queue: StubQueue) -> FlaskClient:
    settings = make_settings(max_upload_bytes=100_000, max_image_pixels=10_000)
    return stub_app(settings, queue).test_client()


# Each of its lines would cost more than the one before it.
FOLDED = b'--x\r\nContent-Disposition: form-data; name="image"\r\nA: b\r\n' + b" c\r\n" * 100_000 + b"\r\n\r\n--x--\r\n"


def multipart(*images: tuple[str, bytes]) -> dict[str, object]:
    """A form as clients write it."""
    body, content_type = encode_multipart_formdata([("image", image) for image in images])
    return {"data": body, "content_type": content_type}


def cut_short(form: dict[str, object]) -> dict[str, object]:
    """A form without its end."""
    return form | {"data": cast(bytes, form["data"])[:-10]}


def assert_problem(response: TestResponse, status: int, detail: str) -> None:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["success"] is False
    assert response.json["status"] == status
    assert response.json["title"]
    assert re.search(detail, response.json["detail"]), response.json["detail"]
    assert response.json["id"] == response.headers["X-Request-ID"]


def test_a_form_and_a_raw_body_give_the_same_predictions(http: FlaskClient, queue: StubQueue) -> None:
    by_form = http.post("/predict", data=form(picture()))
    by_body = http.post("/predict", data=picture(), content_type="image/png")
    assert by_form.status_code == by_body.status_code == 200
    assert by_form.json is not None
    assert by_body.json is not None
    assert by_form.json["predictions"] == by_body.json["predictions"]
    assert queue.pixels[0] == queue.pixels[1]
    assert len(queue.pixels[0]) == 224 * 224 * 3


def test_a_response_has_the_documented_fields(http: FlaskClient) -> None:
    response = http.post("/predict", data=form(picture()))
    assert response.content_type == "application/json"
    assert response.json == {
        "success": True,
        "id": response.headers["X-Request-ID"],
        "model": "resnet50",
        "precision": "bfloat16",
        "predictions": [
            {"label": f"label_{rank}", "probability": 0.5 / (rank + 1), "index": 9 - rank} for rank in range(5)
        ],
    }
    timing = r"decode;dur=[\d.]+, queue;dur=[\d.]+, inference;dur=[\d.]+, total;dur=[\d.]+"
    assert re.fullmatch(timing, response.headers["Server-Timing"])


def test_every_request_has_an_id_that_clients_cannot_choose(http: FlaskClient) -> None:
    ids = [http.get("/livez", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in ids)


@pytest.mark.parametrize(
    ("request_arguments", "status", "detail"),
    [
        ({}, 400, "no picture"),
        ({"data": {}, "content_type": "multipart/form-data"}, 400, "no file"),
        ({"data": form(picture(), field="picture")}, 400, "field `image`"),
        ({"data": {"image": "castle_image.jpg"}}, 415, "content type"),
        ({"data": {"image": "castle.jpg"}, "content_type": "multipart/form-data"}, 400, "text, not a file"),
        (multipart(("a.png", b"")), 400, "empty"),
        (multipart(("", b"")), 400, "empty"),
        ({"data": b"", "content_type": "multipart/form-data; boundary=x"}, 400, "no file"),
        ({"data": b"--x\r\n", "content_type": "multipart/form-data"}, 400, "broken or incomplete"),
        ({"data": b"--x\r\nA: b", "content_type": "multipart/form-data; boundary=x"}, 400, "broken or incomplete"),
        (cut_short(multipart(("a.png", b"hello"))), 400, "broken or incomplete"),
        (multipart(*[("a.png", b"hello")] * 1001), 400, "more than 1000 fields"),
        ({"data": FOLDED, "content_type": "multipart/form-data; boundary=x"}, 400, "header continuation"),
        ({"data": form(b"hello")}, 400, "not a picture"),
        ({"data": b"", "content_type": "image/png"}, 400, "empty"),
        ({"data": b"hello", "content_type": "image/png"}, 400, "not a picture"),
        ({"data": b"{}", "content_type": "application/xml"}, 415, "application/xml"),
        ({"data": picture(format="PPM"), "content_type": "image/x-portable-pixmap"}, 415, "PPM"),
        ({"data": picture()[:-30], "content_type": "image/png"}, 400, "damaged"),
        ({"data": form(picture(size=(101, 100)))}, 413, "101 x 100"),
        ({"data": form(bytes(100_001))}, 413, "at most 100000 bytes"),
        ({"data": form(bytes(200_000))}, 413, "at most 100000 bytes"),
        ({"data": bytes(200_000), "content_type": "image/png"}, 413, "at most 100000 bytes"),
    ],
)
def test_an_invalid_upload_gets_a_clear_error_and_never_reaches_the_queue(
    request_arguments: dict[str, object], status: int, detail: str, http: FlaskClient, queue: StubQueue
) -> None:
    assert_problem(http.post("/predict", **request_arguments), status, detail)
    assert queue.pixels == []


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (ServiceUnavailable("full", retry_after_s=1), 503, "1"),
        (DeadlineExceeded("late"), 504, None),
        (JobFailed("broken"), 500, None),
    ],
)
def test_the_queues_errors_have_their_own_status(
    error: ServiceError, status: int, retry_after: str | None, http: FlaskClient, queue: StubQueue
) -> None:
    queue.error = error
    response = http.post("/predict", data=form(picture()))
    assert_problem(response, status, error.detail)
    assert response.headers.get("Retry-After") == retry_after


def test_only_trusted_hosts_may_be_named(make_settings: MakeSettings, queue: StubQueue) -> None:
    http = stub_app(make_settings(trusted_hosts="localhost, .example.com"), queue).test_client()
    for host, status in {"localhost": 200, "a.example.com": 200, "evil.com": 421}.items():
        assert http.get("/", headers={"Host": host}).status_code == status
    for path in ("/", "/predict", "/status.json", "/nothing"):
        assert_problem(http.get(path, headers={"Host": "evil.com"}), 421, "'evil.com' is not trusted")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_may_name_an_address_also_where_hosts_are_restricted(
    path: str, make_settings: MakeSettings, queue: StubQueue
) -> None:
    http = stub_app(make_settings(trusted_hosts="example.com"), queue).test_client()
    assert http.get(path, headers={"Host": "10.0.0.7:5000"}).status_code == 200


def test_what_is_asked_for_in_a_loop_is_made_anew_only_when_it_is_too_old() -> None:
    texts = iter([b"first", b"second"])
    copy = FreshCopy(lambda: next(texts), max_age_s=1)
    assert [copy.get() for _ in range(10)] == [b"first"] * 10
    wait_until(lambda: copy.get() == b"second")


def test_an_unexpected_error_is_logged_and_not_shown(
    http: FlaskClient, queue: StubQueue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.error = ZeroDivisionError("secret")
    response = http.post("/predict", data=form(picture()))
    assert_problem(response, 500, "unexpected")
    assert "secret" not in response.text
    assert "secret" in caplog.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/predict", 405)])
def test_other_http_errors_are_problems_too(method: str, path: str, status: int, http: FlaskClient) -> None:
    assert_problem(http.open(path, method=method), status, "")


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_another_method_than_post_is_told_how_to_ask(method: str, http: FlaskClient) -> None:
    response = http.open("/predict", method=method)
    assert_problem(response, 405, "with POST, as the file `image` of a form: curl -F image=@picture.jpg")
    assert {"POST", "OPTIONS"} == set(response.headers["Allow"].replace(",", " ").split())


def test_a_result_of_a_worker_that_tells_no_index_has_none(http: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from the cache, or during an upgrade."""
    monkeypatch.setattr("tests.support.stub_queue.PREDICTIONS", (Prediction("castle", 0.5),))
    response = http.post("/predict", data=form(picture()))
    assert response.json is not None
    assert response.json["predictions"] == [{"label": "castle", "probability": 0.5}]


def test_the_service_is_ready_when_a_worker_is_alive(http: FlaskClient, queue: StubQueue) -> None:
    response = http.get("/readyz")
    assert response.status_code == 200
    assert response.json is not None
    assert response.json["ready"] is True
    assert response.json["workers"][0]["name"] == "w1"
    queue.alive = []
    response = http.get("/readyz")
    assert (response.status_code, response.json) == (
        503,
        {"ready": False, "reason": "No worker is alive.", "workers": []},
    )
    queue.error = ServiceUnavailable("The queue is out of reach.")
    assert http.get("/readyz").status_code == 503


def test_the_web_server_is_alive_even_without_redis(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = ServiceUnavailable("The queue is out of reach.")
    assert http.get("/livez").status_code == 200


def test_the_service_itself_serves_the_page_and_all_its_files(http: FlaskClient) -> None:
    response = http.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for path in re.findall(r'(?:src|href)="([^"]+)"', response.text):
        with http.get(path) as part:
            assert part.status_code == 200


def test_a_network_of_one_channel_gets_gray_pixels(make_settings: MakeSettings, queue: StubQueue) -> None:
    settings: Settings = make_settings(image_chans=1, image_width=28, image_height=20)
    http = stub_app(settings, queue).test_client()
    assert http.post("/predict", data=form(picture("white"))).status_code == 200
    assert queue.pixels == [b"\xff" * 28 * 20]


@pytest.mark.parametrize(
    ("trait", "own", "other", "deed", "setting"),
    [
        ("crop", "center 0.875", "squash", "crops pictures by", "CROP_MODE"),
        ("shape", "224 x 224 x 3", "160 x 160 x 3", "makes pictures of", "IMAGE_WIDTH"),
    ],
)
def test_workers_that_take_other_pictures_than_the_web_server_makes_are_told_of_and_those_that_do_not_tell_are_not(
    trait: str,
    own: str,
    other: str,
    deed: str,
    setting: str,
    make_settings: MakeSettings,
    queue: StubQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alike, different = (replace(INFO, **{trait: value}) for value in (own, other))  # type: ignore[arg-type]
    queue.alive = [alike, different, INFO]
    http = stub_app(make_settings(model="auto"), queue).test_client()
    for _ in range(2):
        answer = http.get("/readyz").json
        assert answer is not None
        (warning,) = answer["warnings"]
        assert f"{deed} `{own}`, but there are workers that expect `{other}`" in warning
        assert setting in warning
    assert caplog.text.count(f"{trait}s_differ") == 1
    queue.alive = [alike]
    assert "warnings" not in (http.get("/readyz").json or {})
