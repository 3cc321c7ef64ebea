"""The page at `/status` in a real browser with the real service: workers that come and go, load, and faults."""

import logging
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from benchmarks.nginx import nginx_command
from benchmarks.services import Services, answers, wait_until
from jobs.heartbeat import Heartbeat
from jobs.protocol import Keys, WorkerInfo
from settings import Settings
from tests.conftest import INFO, Client, picture
from tests.support.browser import OpenPage
from tests.support.nginx import installed_nginx
from tests.support.page_actions import button
from tests.support.status_page import announced, cell, change_answers, load, look_again, look_away, row, summary
from tools.embedded_redis import embedded_redis, free_port

ABOVE_ZERO = re.compile(r"[1-9]")


@pytest.fixture
def page(open_page: OpenPage, page_url: str) -> Page:
    page = open_page(f"{page_url}/status")
    expect(summary(page)).to_have_attribute("data-state", re.compile("good|warning"))
    return page


def name_of(worker_log: str) -> str:
    found = re.search(r"^\S+ (\S+) \S+ worker_started", worker_log, re.MULTILINE)
    assert found
    return found[1]


def test_workers_queue_and_figures_are_shown_while_the_service_is_at_work(page: Page, page_url: str) -> None:
    with load(page_url):
        worker = page.locator("#workers tbody tr[data-state=alive]").first
        expect(worker).to_contain_text(re.compile("colours.*openvino, float32", re.DOTALL))
        expect(worker.locator('[data-label="Pictures"] span')).to_have_text(ABOVE_ZERO)
        expect(worker.locator('[data-label="A second"] span')).to_have_text(ABOVE_ZERO)
        expect(page.locator("#rate .requests b")).to_have_text(ABOVE_ZERO)
        expect(page.locator("#latency .p50 b")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
        expect(page.locator("#latency .p99 b")).to_have_text(re.compile(r"^[\d.]+ m?s$"))
        expect(page.locator("#queue .values .depth")).to_have_text(re.compile(r"^\d+ of 512$"))
        expect(page.locator("#rate path.line.requests")).to_have_attribute("d", re.compile("L"))


def test_the_death_of_a_killed_worker_is_shown_and_announced(
    page: Page, page_services: Services, page_url: str
) -> None:
    worker = page_services.start_worker()
    name = name_of(worker.output)
    state = cell(page, "Workers", name, "State")
    expect(state).to_have_text("alive")
    expect(announced(page)).to_contain_text(f"Worker {name} is alive.")
    with load(page_url):
        killed = time.monotonic()
        worker.signal_group(signal.SIGKILL)
        # Only seen where it falls into the second between two looks at Redis.
        expect(state).to_have_text(re.compile("no heartbeat|died"))
        warned_s = time.monotonic() - killed
        expect(state).to_have_text("died")
        shown_s = time.monotonic() - killed
    # 5 s are promised: the heartbeat's life of 3 s, a second between two looks, and a copy of at most half a second.
    logging.getLogger(__name__).info("the first sign after %.2f s, died after %.2f s", warned_s, shown_s)
    expect(announced(page)).to_contain_text(f"Worker {name} died.")
    expect(row(page, "Workers", name)).to_contain_text("s ago")


def test_a_worker_that_is_told_to_stop_has_stopped_and_not_died(page: Page, page_settings: Settings) -> None:
    with Heartbeat(page_settings, WorkerInfo("leaves", "m", "e", 1, "", "h", 1), loops=1):
        expect(cell(page, "Workers", "leaves", "State")).to_have_text("alive")
    expect(cell(page, "Workers", "leaves", "State")).to_have_text("stopped")
    expect(announced(page)).to_contain_text("Worker leaves stopped.")


def test_a_worker_of_an_earlier_version_is_listed_without_what_it_does_not_tell(
    page: Page, client: Client, page_settings: Settings
) -> None:
    keys = Keys(page_settings)
    earlier = INFO.to_json().replace(b',"uptime_s":null,"shape":""', b"").replace(b'"w1"', b'"earlier"')
    assert b"shape" not in earlier
    state = cell(page, "Workers", "earlier", "State")

    def is_alive() -> bool:
        client.zadd(keys.workers, {"earlier": client.time()[0]})
        client.set(keys.worker("earlier"), earlier)
        return state.all_inner_texts() == ["alive"]

    wait_until(is_alive)
    expect(cell(page, "Workers", "earlier", "Up for")).to_have_text("\u2013")
    client.delete(keys.worker("earlier"))
    expect(state).to_have_text(re.compile("stopped|died"))


def test_what_workers_tell_is_shown_as_text(page: Page, page_settings: Settings) -> None:
    markup = "<img src=x onerror=alert(1)>"
    with Heartbeat(page_settings, WorkerInfo(markup, markup, markup, 1, "", markup, 1), loops=1):
        expect(row(page, "Workers", markup)).to_contain_text(markup)
    assert page.locator("#workers img").count() == 0
    expect(announced(page)).to_contain_text(f"Worker {markup} stopped.")


def test_errors_are_counted_by_status(page: Page, page_url: str) -> None:
    before = cell(page, "Errors", "415", "In all")
    count = int(before.inner_text()) if before.count() else 0
    for _ in range(3):
        requests.post(f"{page_url}/predict", data=b"words", headers={"Content-Type": "text/plain"}, timeout=60)
    expect(cell(page, "Errors", "415", "In all")).to_have_text(str(count + 3))
    expect(row(page, "Errors", "415")).to_contain_text("wrong format")


def test_behind_a_load_balancer_the_counts_of_two_web_servers_are_summed_up(
    open_page: OpenPage, page_services: Services, tmp_path: Path
) -> None:
    urls = [page_services.start_web_server(IMAGE_QUEUE="two")[1] for _ in range(2)]
    port = free_port()
    addresses = [url.removeprefix("http://") for url in urls]
    command = nginx_command(installed_nginx(), tmp_path, f"127.0.0.1:{port}", addresses)
    nginx = page_services.start_command(command)
    wait_until(lambda: answers(f"http://127.0.0.1:{port}/livez"))
    page = open_page(f"http://127.0.0.1:{port}/status")
    expect(page.locator("#detail")).to_have_text(re.compile("^2 web servers: .+, .+"))
    expect(page.locator("#servers tbody tr")).to_have_count(2)
    for url, posts in zip(urls, (2, 5), strict=True):
        for _ in range(posts):
            requests.post(f"{url}/predict", data=b"words", headers={"Content-Type": "text/plain"}, timeout=60)
    expect(cell(page, "Errors", "415", "In all")).to_have_text("7")
    expect(cell(page, "Errors", "415", "Last minute")).to_have_text("7")
    nginx.stop()


def test_an_api_key_is_asked_for_where_one_is_needed(open_page: OpenPage, page_services: Services) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret")
    page = open_page(f"{url}/status")
    key = page.get_by_label("API key", exact=True)
    expect(key).to_be_focused()
    expect(page.locator("#figures")).to_be_hidden()
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_have_text("The service does not know this key.")
    key.fill("secret")
    button(page, "Use this key").click()
    expect(page.locator("#workers tbody tr[data-state=alive]").first).to_be_visible()
    expect(key).to_be_hidden()
    page.reload()
    expect(page.locator("#figures")).to_be_visible()


def test_after_too_many_wrong_keys_another_one_is_asked_for(page: Page) -> None:
    problem = {"detail": "Too many wrong API keys came from this address."}
    kind = "application/problem+json"
    page.route("**/status.json", lambda route: route.fulfill(status=429, json=problem, content_type=kind))
    page.evaluate("sessionStorage.setItem('api-key', 'wrong')")
    page.reload()
    expect(summary(page)).to_have_text("Too many wrong API keys")
    expect(page.get_by_label("API key", exact=True)).to_be_focused()


def test_a_proxys_rate_limit_does_not_end_the_asking(page: Page) -> None:
    page.route("**/status.json", lambda route: route.fulfill(status=429, body="<h1>Too Many Requests</h1>"))
    expect(summary(page)).to_have_text("No status can be read")
    expect(page.get_by_label("API key", exact=True)).to_be_hidden()
    page.unroute("**/status.json")
    expect(summary(page)).to_contain_text("alive")


@pytest.mark.parametrize("changed", [{"counts": None}, {"queue": None}], ids=str)
def test_an_answer_that_the_page_does_not_understand_is_told_and_does_not_end_the_asking(
    browser: Browser, page_url: str, changed: dict[str, object]
) -> None:
    with browser.new_context() as context:  # its script may fail
        page = context.new_page()
        page.goto(f"{page_url}/status")
        expect(summary(page)).to_contain_text("alive")
        change_answers(page, changed)
        expect(summary(page)).to_have_text("No status can be read")
        expect(summary(page)).to_have_attribute("data-state", "bad")
        page.unroute("**/status.json")
        expect(summary(page)).to_contain_text("alive")


def test_while_redis_is_away_the_page_says_so_and_it_goes_on_afterwards(
    open_page: OpenPage, page_services: Services, page_settings: Settings
) -> None:
    port = free_port()
    _, url = page_services.start_web_server(REDIS_URL=f"redis://127.0.0.1:{port}")
    page = open_page(f"{url}/status")
    expect(summary(page)).to_have_text("Redis cannot be read")
    expect(page.locator("#servers tbody tr")).to_have_count(1)
    with ExitStack() as redis:
        redis_url = redis.enter_context(embedded_redis(port=port))
        expect(summary(page)).to_have_text("No worker is alive")
        state = cell(page, "Workers", INFO.name, "State")
        with Heartbeat(page_settings.model_copy(update={"redis_url": SecretStr(redis_url)}), INFO, loops=1):
            expect(summary(page)).to_have_text("1 worker alive")
            redis.close()
            expect(summary(page)).to_have_text("Redis cannot be read")
            expect(state).to_have_text("unknown")
            redis.enter_context(embedded_redis(port=port))
            expect(state).to_have_text("alive")
        expect(state).to_have_text("stopped")


def test_a_web_server_that_cannot_be_reached_is_shown_and_so_is_its_return(page: Page) -> None:
    page.context.set_offline(True)
    expect(summary(page)).to_have_text("No web server can be reached")
    expect(announced(page)).to_contain_text("No web server can be reached.")
    expect(page.locator("#workers tr[data-state=unknown]").first).to_be_visible()
    expect(page.locator("#queue .depth b")).to_have_text("\u2013")
    page.context.set_offline(False)
    expect(page.locator("#workers tr[data-state=alive]").first).to_be_visible()
    expect(announced(page)).to_contain_text("alive.")


def test_the_last_minute_is_a_minute_also_after_the_clock_was_set_back(page: Page, page_url: str) -> None:
    page.clock.install()
    page.reload()
    expect(summary(page)).to_contain_text("alive")
    page.clock.set_system_time(time.time() - 3600)
    lately = cell(page, "Errors", "415", "Last minute")
    requests.post(f"{page_url}/predict", data=b"words", headers={"Content-Type": "text/plain"}, timeout=60)
    expect(lately).to_have_text("1")
    page.clock.fast_forward(90_000)
    expect(lately).to_have_text("0")


def test_nothing_is_asked_for_while_nobody_looks(page: Page) -> None:
    asked: list[str] = []
    page.clock.install()
    page.reload()
    look_away(page)
    page.on("request", lambda request: asked.append(request.url) if "status.json" in request.url else None)
    page.clock.run_for(10_000)
    assert asked == []
    with page.expect_request("**/status.json"):
        look_again(page)


def test_the_history_survives_a_reload(page: Page, page_url: str) -> None:
    requests.post(f"{page_url}/predict", files={"image": picture("red")}, timeout=60)
    expect(page.locator("#rate .requests b")).to_have_text(ABOVE_ZERO)
    some = re.compile(r"requests at most 0?\.?[1-9]")
    expect(page.locator("#rate svg")).to_have_attribute("aria-label", some)
    page.reload()
    expect(page.locator("#rate .requests b")).to_have_text(re.compile(r"\d"))
    expect(page.locator("#rate svg")).to_have_attribute("aria-label", some)


def test_a_pointer_on_a_chart_shows_the_values_of_that_time(page: Page) -> None:
    page.add_init_script(
        """const points = Array.from({ length: 80 }, (_, n) => ({ at: Date.now() / 1000 - 100 + n, depth: 7 }));
        sessionStorage.setItem("status-history", JSON.stringify(points));"""
    )
    page.reload()
    depth, end = page.locator("#queue .depth b"), page.locator("#queue .end")
    expect(depth).to_have_text("0")
    page.locator("#queue svg").hover()  # in the middle of two minutes
    expect(depth).to_have_text("7")
    expect(end).to_have_text(re.compile(r"^(1 min|5\d s) ago$"))
    expect(page.locator("#queue .marker")).to_have_attribute("d", re.compile("^M"))
    page.locator("#summary").hover()
    expect(depth).to_have_text("0")
    expect(end).to_have_text("now")


def test_both_pages_link_to_each_other(page: Page) -> None:
    page.get_by_role("link", name="Classify pictures").click()
    page.get_by_role("link", name="Service status").click()
    expect(summary(page)).to_contain_text("alive")
