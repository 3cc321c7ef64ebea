"""The status page in a real browser: opening it, its rows, and what it is to look at."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, Route

from clients.load import Load
from clients.sender import Sender
from tests.conftest import picture


def summary(page: Page) -> Locator:
    return page.locator("#summary")


def announced(page: Page) -> Locator:
    return page.get_by_role("status")


def row(page: Page, table: str, name: str) -> Locator:
    """The row of a table that has a name in its first cell."""
    rows = page.get_by_role("table", name=table).get_by_role("row")
    return rows.filter(has=page.get_by_role("rowheader").filter(has_text=name))


def cell(page: Page, table: str, name: str, heading: str) -> Locator:
    return row(page, table, name).locator(f'[data-label="{heading}"] span')


def look_away(page: Page) -> None:
    """Have the page believe that its tab is in the background."""
    _set_hidden(page, "true")


def look_again(page: Page) -> None:
    _set_hidden(page, "false")


def _set_hidden(page: Page, value: str) -> None:
    page.evaluate(
        f"""() => {{
            Object.defineProperty(document, "hidden", {{ value: {value}, configurable: true }});
            document.dispatchEvent(new Event("visibilitychange"));
        }}"""
    )


def change_answers(page: Page, changed: dict[str, object]) -> None:
    """Have the page get the service's answers with other values."""

    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | changed)

    page.route("**/status.json", answer)


@contextmanager
def load(url: str, clients: int = 2) -> Iterator[Load]:
    """Keep clients busy during the block."""
    stop = threading.Event()
    with Sender(url, [picture("red")], clients, timeout_s=60) as sender, ThreadPoolExecutor(1) as pool:
        load = Load(sender.send, stop)
        running = pool.submit(load.closed_loop, clients, None)
        try:
            yield load
        finally:
            stop.set()
            running.result()
