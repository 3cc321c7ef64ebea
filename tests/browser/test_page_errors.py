"""Errors on the page: messages, retries and cancelling; where possible with errors of the real service."""

import io
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from benchmarks.services import Services
from jobs.protocol import Keys
from settings import Settings
from tests.conftest import Client, picture
from tests.support.browser import OpenPage
from tests.support.http_stub import serving, url_of
from tests.support.page_actions import Gate, button, choose, detail, drop, file, history, sent, stop_clock, title


def large_picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (1000, 501)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def torn_answers() -> Iterator[str]:
    """The URL of a server each of whose answers breaks off."""

    class Torn(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b'{"success":true,')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Torn)) as server:
        yield url_of(server)


@pytest.mark.parametrize(
    ("content", "heading", "words"),
    [
        (b"no picture at all", "This picture cannot be read", "not a picture"),
        (picture()[:60], "This picture cannot be read", "damaged"),
        (b"%PDF-1.7", "This format is not accepted", "PDF pictures are not accepted"),
        (large_picture(), "This picture is too large", "1000 x 501 pixels"),
        (bytes(500_001), "This picture is too large", "It has 489 KiB; at most 489 KiB are accepted."),
    ],
    ids=["not a picture", "damaged", "format", "pixels", "bytes"],
)
def test_a_picture_that_cannot_be_classified_shows_the_reason_and_no_retry(
    page: Page, content: bytes, heading: str, words: str
) -> None:
    choose(page, file("picture.png", content))
    expect(title(page)).to_have_text(heading)
    expect(detail(page)).to_contain_text(words)
    expect(button(page, "Try again")).to_be_hidden()


def test_a_file_that_is_too_large_is_not_sent(page: Page) -> None:
    requests = sent(page)
    choose(page, file("large.png", bytes(500_001)))
    expect(title(page)).to_have_text("This picture is too large")
    assert requests == []


def test_a_folder_cannot_be_opened(page: Page, tmp_path: Path) -> None:
    drop(page, tmp_path)
    expect(title(page)).to_have_text("This file cannot be opened")


def test_pictures_after_an_invalid_one_are_still_classified(page: Page) -> None:
    choose(page, file("notes.txt", b"words"), file("red.png"))
    expect(history(page).filter(has_text="pure red")).to_have_count(1)
    expect(title(page)).to_have_text("This picture cannot be read")


def test_after_too_many_requests_the_page_waits_and_tries_again_by_itself(
    open_page: OpenPage, page_services: Services, page_settings: Settings, client: Client
) -> None:
    _, url = page_services.start_web_server(RATE_LIMIT="1/minute")
    page = open_page(url)
    stop_clock(page)
    choose(page, file("red.png"), file("blue.png"))
    expect(title(page)).to_have_text("Too many requests")
    expect(page.locator(".countdown")).to_be_visible()
    # A minute later, for the web server and for the page.
    client.delete(*client.keys(f"{Keys(page_settings).rate_limit}*"))
    page.clock.run_for(61_000)
    expect(title(page)).to_have_text("pure blue")


def test_without_a_worker_the_page_counts_down_and_a_click_tries_again_at_once(
    open_page: OpenPage, page_services: Services
) -> None:
    _, url = page_services.start_web_server(KEY_PREFIX="nobody:")
    page = open_page(url)
    stop_clock(page)
    requests = sent(page)
    choose(page)
    expect(detail(page)).to_contain_text("No worker is alive")
    countdown = page.locator("#countdown")
    expect(countdown).to_have_text("5 s")
    page.clock.run_for(4000)
    expect(countdown).to_have_text("1 s")
    assert len(requests) == 1
    button(page, "Try now").click()
    expect(countdown).to_have_text("5 s")
    assert len(requests) == 2


def test_after_cancel_no_more_requests_are_sent(open_page: OpenPage, page_services: Services, client: Client) -> None:
    _, url = page_services.start_web_server(IMAGE_QUEUE="full", QUEUE_CAPACITY=1)
    client.rpush("page:full", "a job that nobody takes")
    page = open_page(url)
    stop_clock(page)
    choose(page)
    expect(detail(page)).to_contain_text("The queue is full")
    button(page, "Cancel").click()
    expect(title(page)).to_have_text("Cancelled")
    requests = sent(page)
    page.clock.run_for(60_000)
    expect(title(page)).to_have_text("Cancelled")
    assert requests == []


def test_a_long_wait_is_shown_in_minutes(page: Page) -> None:
    stop_clock(page)
    page.route("**/predict", lambda route: route.fulfill(status=429, headers={"Retry-After": "125"}, json={}))
    choose(page)
    expect(page.locator("#countdown")).to_have_text("2 min 5 s")


def test_a_picture_can_be_cancelled_while_it_is_classified_and_tried_again(page: Page) -> None:
    gate = Gate(page)
    choose(page, file("red.png"))
    button(page, "Cancel").click()
    expect(title(page)).to_have_text("Cancelled")
    gate.remove()
    button(page, "Try again").click()
    expect(title(page)).to_have_text("pure red")


def test_a_time_out_is_shown_and_can_be_tried_again(open_page: OpenPage, page_services: Services) -> None:
    _, url = page_services.start_web_server(IMAGE_QUEUE="nobody", REQUEST_TIMEOUT_S=1)
    page = open_page(url)
    choose(page)
    expect(title(page)).to_have_text("It took too long")
    expect(button(page, "Try again")).to_be_visible()


def test_pictures_that_find_no_service_wait_and_are_classified_when_it_is_back(page: Page) -> None:
    stop_clock(page)
    page.context.set_offline(True)
    choose(page, file("red.png"), file("blue.png"))
    expect(title(page)).to_have_text("The service cannot be reached")
    expect(history(page).filter(has_text="Trying again")).to_have_count(1)
    expect(history(page).filter(has_text="Waiting")).to_have_count(1)
    page.context.set_offline(False)
    page.clock.run_for(2000)
    for colour in ("red", "blue"):
        expect(history(page).filter(has_text=f"pure {colour}")).to_have_count(1)


def test_the_longer_no_service_is_found_the_longer_are_the_waits_but_half_a_minute_at_most(page: Page) -> None:
    stop_clock(page)
    page.context.set_offline(True)
    choose(page)
    for seconds in (2, 5, 10, 30, 30):
        expect(page.locator("#countdown")).to_have_text(f"{seconds} s")
        page.clock.run_for(1000)
        button(page, "Try now").click()


def test_an_answer_that_breaks_off_is_asked_for_again(page: Page, torn_answers: str) -> None:
    page.route("**/predict", lambda route: route.continue_(url=torn_answers), times=1)
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("The service cannot be reached")
    button(page, "Try now").click()
    expect(title(page)).to_have_text("pure red")


def test_a_failed_job_shows_the_services_message_as_text(page: Page) -> None:
    problem = {"title": "Classification failed", "detail": "The network <i>failed</i>.", "success": False}
    page.route("**/predict", lambda route: route.fulfill(status=500, json=problem))
    choose(page)
    expect(title(page)).to_have_text("Classification failed")
    expect(detail(page)).to_have_text("The network <i>failed</i>.")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_while_a_proxy_cannot_reach_the_service_the_page_shows_the_status_and_waits(page: Page, status: int) -> None:
    page.route("**/predict", lambda route: route.fulfill(status=status, body="<h1>Bad Gateway</h1>"), times=1)
    choose(page, file("red.png"))
    expect(detail(page)).to_contain_text(f"The response, with status {status}, is not from the service.")
    button(page, "Try now").click()
    expect(title(page)).to_have_text("pure red")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (408, '{"title": "Request timeout", "detail": "The request came too slowly."}'),
        (200, "<h1>Log in</h1>"),
        (403, "<h1>Forbidden</h1>"),
    ],
    ids=["the service's own time-out", "a proxy's page", "a proxy's refusal"],
)
def test_after_an_error_that_may_pass_a_picture_can_be_tried_again(page: Page, status: int, body: str) -> None:
    page.route("**/predict", lambda route: route.fulfill(status=status, body=body), times=1)
    choose(page, file("red.png"))
    button(page, "Try again").click()
    expect(title(page)).to_have_text("pure red")


def test_an_api_key_is_asked_for_and_kept_for_the_tab_only(open_page: OpenPage, page_services: Services) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret")
    page = open_page(url)
    key = page.get_by_label("API key", exact=True)
    expect(key).to_be_hidden()
    choose(page, file("red.png"))
    expect(key).to_be_focused()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(detail(page)).to_have_text("The service does not know this key.")
    key.fill("secret")
    button(page, "Use this key").click()
    expect(title(page)).to_have_text("pure red")

    page.reload()
    choose(page, file("blue.png"))
    expect(title(page)).to_have_text("pure blue")

    other_tab = page.context.new_page()
    other_tab.goto(url)
    choose(other_tab)
    expect(other_tab.get_by_label("API key", exact=True)).to_be_visible()


def test_a_key_that_was_entered_on_another_page_of_the_tab_is_used_by_a_page_opened_before(
    open_page: OpenPage, page_services: Services
) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret")
    page = open_page(url)
    page.evaluate("sessionStorage.setItem('api-key', 'secret')")  # as the status page does
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("pure red")


def test_a_wrong_key_that_is_refused_late_does_not_take_a_newer_one_with_it(
    open_page: OpenPage, page_services: Services
) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret")
    page = open_page(url)
    page.evaluate("sessionStorage.setItem('api-key', 'wrong')")
    page.reload()
    gate = Gate(page)
    with page.expect_request("**/predict"):
        choose(page)
    page.evaluate("sessionStorage.setItem('api-key', 'secret')")
    gate.let_through()
    expect(detail(page)).to_have_text("The service does not know this key.")
    assert page.evaluate("sessionStorage.getItem('api-key')") == "secret"


def test_after_too_many_wrong_keys_the_right_one_can_be_entered_at_once(
    open_page: OpenPage, page_services: Services
) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret", KEY_PREFIX="page:guessed:")
    page = open_page(url)
    wrong = {"Authorization": "Bearer wrong"}
    while requests.post(f"{url}/predict", headers=wrong, timeout=60).status_code != 429:
        pass
    page.evaluate("sessionStorage.setItem('api-key', 'wrong')")
    choose(page, file("red.png"))
    expect(detail(page)).to_contain_text("Too many wrong API keys")
    expect(page.locator(".countdown")).to_be_visible()
    page.get_by_label("API key", exact=True).fill("secret")
    button(page, "Use this key").click()
    expect(detail(page)).to_contain_text("No worker is alive")
    expect(page.get_by_label("API key", exact=True)).to_be_hidden()
