"""Accessibility of the status page: screen reader, narrow screen, dark colours."""

import re
from typing import Literal

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from benchmarks.services import Services, wait_until
from jobs.heartbeat import Heartbeat
from jobs.protocol import WorkerInfo
from settings import Settings
from tests.support.browser import OpenPage
from tests.support.status_page import announced, cell, change_answers, load, summary

GOOD = re.compile("good|warning")


def check(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(
    open_page: OpenPage,
    page_url: str,
    page_settings: Settings,
    scheme: Literal["light", "dark"],
) -> None:
    page = open_page(f"{page_url}/status", color_scheme=scheme)
    with load(page_url), Heartbeat(page_settings, WorkerInfo("leaves", "m", "e", 1, "", "h", 1), loops=1):
        requests.post(f"{page_url}/predict", data=b"words", headers={"Content-Type": "text/plain"}, timeout=60)
        expect(cell(page, "Workers", "leaves", "State")).to_have_text("alive")
        expect(page.locator("#rate path.line.requests")).to_have_attribute("d", re.compile("L"))
        check(page)  # at work, with an error
    expect(cell(page, "Workers", "leaves", "State")).to_have_text("stopped")
    check(page)
    page.context.set_offline(True)
    expect(summary(page)).to_have_attribute("data-state", "bad")
    check(page)  # while the web server is away


def test_axe_finds_no_violations_in_the_form_for_the_key(open_page: OpenPage, page_services: Services) -> None:
    _, url = page_services.start_web_server(API_KEYS="secret")
    page = open_page(f"{url}/status")
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    check(page)


def test_a_narrow_screen_needs_no_horizontal_scrolling(
    open_page: OpenPage, page_url: str, page_settings: Settings
) -> None:
    page = open_page(f"{page_url}/status", viewport={"width": 320, "height": 640})
    long = "x" * 100
    with Heartbeat(page_settings, WorkerInfo(long, long, long, 1, "", long, 1), loops=1):
        expect(page.get_by_role("rowheader").filter(has_text=long)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0
        # A style sheet that makes blocks of rows must leave the table a table.
        table = page.get_by_role("table", name="Workers")
        expect(table.get_by_role("row").filter(has_text=long).get_by_role("cell")).to_have_count(5)


def test_a_narrow_screen_holds_the_longest_numbers(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/status", viewport={"width": 320, "height": 640})
    counts = {"requests": {"503": 10**40}, "latency_s": {}, "results": {"polled": 10**40}}
    change_answers(page, {"counts": counts})
    expect(cell(page, "Errors", "503", "In all")).to_have_text(re.compile(",000$"))
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") == 0


def test_figures_that_change_every_second_are_not_announced(open_page: OpenPage, page_url: str) -> None:
    # No worker of another test, whose end would be announced.
    wait_until(lambda: len(requests.get(f"{page_url}/status.json", timeout=60).json()["workers"]) == 1)
    page = open_page(f"{page_url}/status")
    expect(summary(page)).to_have_attribute("data-state", GOOD)
    with load(page_url):
        expect(page.locator("#rate .requests b")).to_have_text(re.compile("[1-9]"))
    expect(announced(page)).to_have_text("")


@pytest.mark.parametrize("path", ["/status", "/status.json"])
def test_the_page_has_the_same_strict_policy_as_the_others(path: str, page_url: str) -> None:
    policies = {requests.get(page_url + each, timeout=60).headers["Content-Security-Policy"] for each in ("/", path)}
    assert len(policies) == 1
    assert not re.search(r"<script>|style=| on\w+=", requests.get(f"{page_url}/status", timeout=60).text)
