"""A page of another origin in a real browser, which uses the service from there."""

import base64
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from benchmarks.services import Services
from tests.conftest import picture
from tests.support.http_stub import serving, url_of

CLASSIFY = """async ([url, key, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt());
    const form = new FormData();
    form.append("image", new Blob([bytes]), "picture.png");
    const headers = { Authorization: `Bearer ${key}` };
    try {
        const response = await fetch(`${url}/predict`, { method: "POST", body: form, headers });
        const { predictions, title } = await response.json();
        return [response.status, predictions?.[0].label ?? title, response.headers.has("X-Request-ID")];
    } catch (error) {
        return [0, error.name, false];
    }
}"""


@pytest.fixture
def other_origin() -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Another site</title>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Page)) as server:
        yield url_of(server)


def test_only_a_page_of_an_allowed_origin_can_classify_with_a_key(
    browser: Browser, page_services: Services, other_origin: str
) -> None:
    def classify(origins: str, key: str) -> list[object]:
        _, url = page_services.start_web_server(CORS_ORIGINS=origins, API_KEYS="secret")
        context = browser.new_context()
        try:
            page = context.new_page()
            page.goto(other_origin)
            answer: list[object] = page.evaluate(CLASSIFY, [url, key, base64.b64encode(picture("green")).decode()])
        finally:
            context.close()
        return answer

    assert classify(other_origin, "secret") == [200, "pure_green", True]
    assert classify("*", "wrong") == [401, "Unauthorized", True]
    assert classify("https://example.com", "secret") == [0, "TypeError", False]
