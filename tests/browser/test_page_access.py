"""Accessibility of the page: keyboard, screen reader, narrow screen, dark colours, reduced motion."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.conftest import picture
from tests.support.browser import OpenPage
from tests.support.page_actions import Gate, button, choose, file, history, stop_clock, title

LONG_NAME = "x" * 200 + ".png"


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.id || document.activeElement.innerText")
    return name.strip()


def outlined(page: Page) -> bool:
    """Whether the focused element has a visible outline."""
    return bool(page.evaluate("parseInt(getComputedStyle(document.activeElement).outlineWidth) >= 2"))


def test_everything_can_be_done_by_keyboard_and_the_focus_is_visible(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Tab")
        assert (focused(page), outlined(page)) == ("choose", True)
        page.keyboard.press("Enter")
    chooser.value.set_files([file("red.png")])
    expect(title(page)).to_have_text("pure red")
    page.keyboard.press("Tab")
    assert (focused(page), outlined(page)) == ("sample", True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("castle_image.jpg: pure")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(history(page).nth(1)).to_be_focused()
    assert outlined(page)
    page.keyboard.press("Space")
    expect(title(page)).to_have_text("pure red")


def test_the_focus_moves_to_the_heading_when_the_focused_button_disappears(page: Page) -> None:
    gate = Gate(page)
    choose(page)
    button(page, "Cancel").focus()
    page.keyboard.press("Enter")
    expect(title(page)).to_be_focused()
    gate.remove()


def test_a_screen_reader_announces_what_happens(page: Page) -> None:
    status = page.get_by_role("status")
    gate = Gate(page)
    choose(page, file("red.png"))
    expect(status).to_have_text("Looking at red.png.")
    gate.let_through()
    expect(status).to_contain_text("red.png: pure red, ")
    page.unroute_all()
    choose(page, file("notes.txt", b"words"))
    expect(status).to_contain_text("notes.txt: This picture cannot be read. This is not a picture")


def test_a_countdown_is_not_announced_every_second(page: Page) -> None:
    stop_clock(page)
    page.route("**/predict", lambda route: route.fulfill(status=503, headers={"Retry-After": "9"}, json={}))
    choose(page)
    expect(page.get_by_role("status")).to_contain_text("Next try in 9 s.")
    page.clock.run_for(3000)
    expect(page.locator("#countdown")).to_have_text("6 s")
    expect(page.get_by_role("status")).to_contain_text("Next try in 9 s.")


def test_a_narrow_screen_needs_no_horizontal_scrolling(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 320, "height": 640})

    def overflow() -> int:
        pixels: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return pixels

    assert overflow() == 0
    choose(page, file(LONG_NAME, picture("red", size=(900, 40))))
    expect(title(page)).to_have_text("pure red")
    assert overflow() == 0
    choose(page, file("notes.txt", b"words"))
    expect(title(page)).to_have_text("This picture cannot be read")
    expect(history(page)).to_have_count(2)
    assert overflow() == 0


@pytest.mark.parametrize(("scheme", "darker"), [("light", "color"), ("dark", "backgroundColor")])
def test_the_page_follows_the_systems_colour_scheme(
    open_page: OpenPage, scheme: Literal["light", "dark"], darker: str
) -> None:
    page = open_page(color_scheme=scheme)
    brightness = page.evaluate(
        """() => Object.fromEntries(["color", "backgroundColor"].map((name) =>
            [name, eval(getComputedStyle(document.body)[name].match(/[0-9]+/g).slice(0, 3).join("+"))]))"""
    )
    assert min(brightness, key=brightness.__getitem__) == darker


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_nothing_moves_for_users_who_prefer_reduced_motion(
    open_page: OpenPage, motion: Literal["no-preference", "reduce"], moves: bool
) -> None:
    page = open_page(reduced_motion=motion)
    gate = Gate(page)
    choose(page)
    expect(page.locator(".sweep")).to_be_visible()
    assert bool(page.evaluate("document.getAnimations().length")) == moves
    gate.remove()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations(open_page: OpenPage, scheme: Literal["light", "dark"]) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")

    def check() -> None:
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()

    check()  # empty
    gate = Gate(page)
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("Looking at the picture …")
    check()  # while a picture is classified
    gate.let_through()
    expect(title(page)).to_have_text("pure red")
    check()  # with a result
    page.unroute_all()
    choose(page, file("notes.txt", b"words"))
    expect(title(page)).to_have_text("This picture cannot be read")
    check()  # with an error, and a history
    page.route("**/predict", lambda route: route.fulfill(status=503, headers={"Retry-After": "60"}, json={}))
    choose(page)
    expect(button(page, "Try now")).to_be_visible()
    check()  # while it waits to try again
    button(page, "Cancel").click()
    page.unroute_all()
    page.route("**/predict", lambda route: route.fulfill(status=401, json={}))
    choose(page)
    expect(page.get_by_label("API key", exact=True)).to_be_visible()
    check()  # while it asks for an API key
