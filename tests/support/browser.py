"""Fixtures of the browser tests: a real browser, and the page at `/` in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from benchmarks.services import Services
from settings import Settings

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 30_000
# So that labels have underscores, which the page shows as spaces.
LABEL_PREFIX = "pure_"
KEY_PREFIX = "page:"

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_path() -> str:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not path:
        pytest.skip("there is no browser; apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=TIMEOUT_MS)
        with playwright.chromium.launch(executable_path=browser_path) as browser:
            yield browser


@pytest.fixture(scope="session")
def page_services(
    redis_url: str, colour_network: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """One worker for all tests of the page; tests may start more web servers."""
    folder = tmp_path_factory.mktemp("page")
    labels = folder / "labels.txt"
    colours = Path(str(colour_network["labels"])).read_text().split()
    labels.write_text("".join(f"{LABEL_PREFIX}{colour}\n" for colour in colours))
    own = {
        "labels": labels,
        "batch_size": 1,
        "web_processes": 1,
        "max_upload_bytes": 500_000,
        "max_image_pixels": 500_000,
    }
    values = {"redis_url": redis_url, "key_prefix": KEY_PREFIX, "server_name": "test"} | colour_network | own
    services = Services(Settings(_env_file=None, **values), folder)  # type: ignore[call-arg, arg-type]
    try:
        services.start_worker()
        yield services
    finally:
        services.close()
    assert services.running() == []


@pytest.fixture(scope="session")
def page_settings(redis_url: str) -> Settings:
    """Where the worker of all tests of the pages is, for more that send heartbeats there."""
    return Settings(_env_file=None, redis_url=redis_url, key_prefix=KEY_PREFIX)  # type: ignore[call-arg, arg-type]


@pytest.fixture(scope="session")
def page_url(page_services: Services) -> str:
    return page_services.start_web_server()[1]


@pytest.fixture
def open_page(browser: Browser, page_url: str) -> Iterator[OpenPage]:
    """Opens the page in a new context; no script may fail or violate the Content-Security-Policy."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # The browser also logs error responses, which many tests cause on purpose.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            errors.append(message.text)

    def open_page(url: str = page_url, **options: object) -> Page:
        contexts.append(browser.new_context(**options))  # type: ignore[arg-type]
        page = contexts[-1].new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", listen)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()
