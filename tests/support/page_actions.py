"""What users do on the page, and what they see."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, Route

from benchmarks.services import wait_until
from tests.conftest import picture


def file(name: str = "red.png", content: bytes | None = None) -> FilePayload:
    """A file to choose; by default a picture of the colour in its name."""
    content = picture(name.partition(".")[0]) if content is None else content
    return {"name": name, "mimeType": "image/png", "buffer": content}


def choose(page: Page, *files: FilePayload) -> None:
    """Choose files with the button and the browser's dialog."""
    with page.expect_file_chooser() as chooser:
        button(page, "Choose pictures").click()
    chooser.value.set_files(list(files) or [file()])


def drop(page: Page, *paths: Path) -> None:
    """Drag files over the page and drop them, as a mouse does."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": step, "x": 20, "y": 300, "data": data})


class Gate:
    """Intercepts the pictures that the page sends, and holds each until the test lets it through."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._held: list[Route] = []
        page.route("**/predict", lambda route: self._held.append(route))

    def let_through(self) -> None:
        """Wait for exactly one picture, and let it through."""
        wait_until(lambda: self._page.evaluate("true") and self._held)  # Playwright handles events only during calls
        (route,) = self._held
        self._held.clear()
        route.continue_()

    def remove(self) -> None:
        """Stop intercepting; requests that are held fail."""
        for route in self._held:
            route.abort()
        self._page.unroute_all()


def stop_clock(page: Page) -> None:
    """Stop the page's clock; the test moves it."""
    page.clock.install(time=0)
    page.clock.pause_at(3600)


def sent(page: Page) -> list[str]:
    """Return a list that gets an entry for every picture that is sent from now on."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.method == "POST" else None)
    return requests


def title(page: Page) -> Locator:
    return page.locator("#title")


def detail(page: Page) -> Locator:
    return page.locator("#detail")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def history(page: Page) -> Locator:
    return page.get_by_role("region", name="Your pictures").get_by_role("button")


def texts(locators: Locator) -> Sequence[str]:
    return [text.strip() for text in locators.all_inner_texts()]
