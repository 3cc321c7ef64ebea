"""The OpenAPI description is complete and correct, and the page that shows it uses no other host."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from openapi_spec_validator.readers import read_from_filename
from schemathesis.specs.openapi import checks

from benchmarks.services import Services
from errors import ClientGone, DeadlineExceeded, ServiceError, ServiceUnavailable
from jobs.connection import RETRY_AFTER_S
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import INFO, MakeSettings, picture
from tests.support.stub_queue import StubQueue, form, stub_app
from tests.web.test_app import multipart
from web import status as web_status

DESCRIPTION: dict[str, Any] = dict(read_from_filename(str(PROJECT_DIR / "web" / "openapi.yaml"))[0])
OPERATIONS = schemathesis.openapi.from_dict(DESCRIPTION)
# Those that a client can receive, so without ClientGone.
ERRORS: list[type[ServiceError]] = [
    ServiceError,
    *(kind for kind in ServiceError.__subclasses__() if kind is not ClientGone),
]
# They belong to a page, not to the API.
FILES_OF_PAGES = ("/static/", "/docs/")
CONFORMANCE = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture
def queue() -> StubQueue:
    return StubQueue()


@pytest.fixture
def http(settings: Settings, queue: StubQueue) -> FlaskClient:
    return stub_app(settings, queue).test_client()


def assert_as_described(path: str, method: str, response: Any) -> None:
    OPERATIONS[path][method].Case().validate_response(response, checks=CONFORMANCE)


def json_responses() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each status and the description of its JSON, for all paths."""
    named = DESCRIPTION["components"]["responses"]
    for operation in (operation for path in DESCRIPTION["paths"].values() for operation in path.values()):
        for status, response in operation["responses"].items():
            content = (
                named[response["$ref"].rpartition("/")[2]]["content"] if "$ref" in response else response["content"]
            )
            yield from ((status, media) for kind, media in content.items() if kind.endswith("json"))


def test_the_description_is_valid() -> None:
    validate(DESCRIPTION)


def test_exactly_the_served_paths_and_methods_are_described(http: FlaskClient) -> None:
    served = {
        (rule.rule, method.lower())
        for rule in http.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(FILES_OF_PAGES)
    }
    described = {(path, method) for path, methods in DESCRIPTION["paths"].items() for method in methods}
    assert served == described


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_that_the_service_can_raise_is_as_described(
    error: type[ServiceError], http: FlaskClient, queue: StubQueue
) -> None:
    queue.error = error("why", retry_after_s=RETRY_AFTER_S if error.status in (429, 503) else None)
    response = http.post("/predict", data=form(picture()))
    assert response.status_code == error.status
    assert_as_described("/predict", "POST", response)


def test_an_unexpected_error_is_as_described(http: FlaskClient, queue: StubQueue) -> None:
    queue.error = ZeroDivisionError("why")
    assert_as_described("/predict", "POST", http.post("/predict", data=form(picture())))


@pytest.mark.parametrize(
    ("bad", "error", "status"),
    [(b"no picture", None, 200), (picture(), DeadlineExceeded("late"), 504)],
    ids=["one is bad", "none has classes"],
)
def test_responses_to_several_pictures_are_as_described(
    bad: bytes, error: ServiceError | None, status: int, http: FlaskClient, queue: StubQueue
) -> None:
    queue.error = error
    response = http.post("/predict", **multipart(("a.png", picture()), ("b.png", bad)))
    assert response.status_code == status
    assert_as_described("/predict", "POST", response)


def test_both_responses_of_readyz_are_as_described(http: FlaskClient, queue: StubQueue) -> None:
    queue.alive = [replace(INFO, engine="openvino")]
    assert_as_described("/readyz", "GET", http.get("/readyz"))
    queue.alive = []
    assert_as_described("/readyz", "GET", http.get("/readyz"))


def test_the_responses_of_the_status_are_as_described(
    make_settings: MakeSettings, queue: StubQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_status, "MAX_AGE_S", 0)
    queue.alive = [replace(INFO, engine="openvino"), replace(INFO, engine="tensorflow", uptime_s=1.5)]
    http = stub_app(make_settings(api_keys="key"), queue).test_client()
    assert http.get("/status.json").status_code == 401
    assert_as_described("/status.json", "GET", http.get("/status.json"))
    assert_as_described("/status.json", "GET", http.get("/status.json", headers={"Authorization": "Bearer key"}))
    queue.error = ServiceUnavailable("why", RETRY_AFTER_S)
    away = http.get("/status.json", headers={"Authorization": "Bearer key"})
    assert (away.json or {})["workers"] is None
    assert_as_described("/status.json", "GET", away)


@pytest.mark.parametrize(("status", "media"), list(json_responses()))
def test_every_json_response_has_an_example_that_matches_its_schema(status: str, media: dict[str, Any]) -> None:
    OAS31Validator(media["schema"] | {"components": DESCRIPTION["components"]}).validate(media["example"])
    if media["schema"] == {"$ref": "#/components/schemas/Problem"}:
        assert media["example"]["status"] == int(status)
        ours = [(error.status, error.title) for error in ERRORS]
        refused = (431, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE.phrase)
        assert (int(status), media["example"]["title"]) in [*ours, refused]


def test_the_running_service_is_as_described_for_generated_requests(
    services: Services, colour_network: dict[str, object], tmp_path: Path
) -> None:
    services.start_worker(**colour_network)
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.yaml"]
    options = ["--generation-deterministic", "--max-examples", "100", "--no-color"]
    # The hooks generate real pictures.
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.support.api_pictures", "PYTHONPATH": str(PROJECT_DIR)}
    done = subprocess.run(command + options, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for status in (200, 400, 405):
        assert f"path=/predict status={status}" in web_server.output


def test_too_many_headers_get_the_described_response(services: Services) -> None:
    _, url = services.start_web_server(WEB_PROCESSES=1)
    response = requests.post(f"{url}/predict", data=picture(), headers={f"X-{n}": "1" for n in range(200)}, timeout=30)
    assert response.status_code == 431
    assert_as_described("/predict", "POST", response)


def test_the_page_uses_no_other_host_and_no_inline_script(http: FlaskClient) -> None:
    response = http.get("/docs")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|<script>|style=", policy + response.text)
    for path in re.findall(r'(?:src|data-description|href)="(/[^"]+)"', response.text):
        with http.get(path) as part:
            assert part.status_code == 200


@pytest.mark.parametrize("name", ["index.css", "../__init__.py", "..%2f__init__.py"])
def test_other_files_of_the_swagger_ui_package_are_not_served(name: str, http: FlaskClient) -> None:
    assert http.get(f"/docs/{name}").status_code == 404


def test_a_browser_shows_every_path_on_the_page(browser_path: str, services: Services, tmp_path: Path) -> None:
    _, url = services.start_web_server(WEB_PROCESSES=1)
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    # The page's console messages go to standard error.
    options += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run([browser_path, *options, f"{url}/docs"], capture_output=True, text=True, timeout=120)
    shown = re.findall(r'data-path="([^"]+)"', done.stdout)
    assert set(shown) == set(DESCRIPTION["paths"])
    assert "CONSOLE" not in done.stderr
