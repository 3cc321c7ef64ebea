"""The page at `/` in a real browser with the real service: adding pictures, and showing their results."""

import base64
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from benchmarks.services import Services
from tests.conftest import picture
from tests.support.browser import OpenPage
from tests.support.page_actions import Gate, button, choose, drop, file, history, texts, title


def test_a_chosen_picture_is_shown_at_once_and_its_classes_afterwards(page: Page) -> None:
    gate = Gate(page)
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("Looking at the picture …")
    expect(page.get_by_role("img", name="red.png")).to_have_js_property("naturalWidth", 64)
    expect(page.locator(".sweep")).to_be_visible()
    gate.let_through()
    expect(title(page)).to_have_text("pure red")
    expect(page.locator(".sweep")).to_be_hidden()


def test_each_class_has_a_name_without_underscores_a_percentage_and_a_bar_of_that_length(page: Page) -> None:
    choose(page, file("red.png"))
    rows = page.get_by_role("list", name="The most likely classes").get_by_role("listitem")
    expect(rows).to_have_count(5)
    names, shares = texts(rows.locator(".label")), texts(rows.locator(".share"))
    assert names[0] == "pure red"
    assert all(name.startswith("pure ") for name in names)
    for share, bar in zip(shares, rows.locator(".bar div").all(), strict=True):
        width = bar.evaluate("bar => parseFloat(bar.style.width)")
        assert share == "< 0.1 %" if width < 0.05 else float(share.removesuffix(" %")) == round(width, 1)


def test_labels_of_any_language_and_all_classes_are_shown(
    open_page: OpenPage, page_services: Services, tmp_path: Path
) -> None:
    labels = ["schwarz", "голубой", "綠色", "青", "أحمر", "πορφυρό", "jaune_d'œuf", "白"]
    (tmp_path / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    page_services.start_worker(KEY_PREFIX="languages:", LABELS=tmp_path / "labels.txt", TOP_CLASSES="all")
    _, url = page_services.start_web_server(KEY_PREFIX="languages:")
    page = open_page(url)
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("أحمر")
    shown = texts(page.get_by_role("list", name="The most likely classes").locator(".label"))
    assert sorted(shown) == sorted(label.replace("_", " ") for label in labels)


def test_a_picture_can_be_pasted_from_the_clipboard(open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async (base64) => {
            const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt());
            const picture = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
        }""",
        base64.b64encode(picture("green")).decode(),
    )
    page.keyboard.press("Control+V")
    expect(title(page)).to_have_text("pure green")


def test_pasting_without_a_picture_shows_a_message(open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.evaluate("navigator.clipboard.writeText('words')")
    page.keyboard.press("Control+V")
    expect(page.get_by_role("alert")).to_have_text("There is no picture in the clipboard.")


def test_pictures_dropped_together_are_classified_one_after_another(page: Page, tmp_path: Path) -> None:
    gate = Gate(page)
    paths = [tmp_path / f"{colour}.png" for colour in ("red", "green", "blue")]
    for path in paths:
        path.write_bytes(picture(path.stem))
    drop(page, *paths)
    for done, path in enumerate(paths):
        expect(page.get_by_role("img", name=path.name).first).to_be_visible()
        expect(history(page).filter(has_text="Looking")).to_have_count(1)
        expect(history(page).filter(has_text="Waiting")).to_have_count(len(paths) - done - 1)
        gate.let_through()
        expect(history(page).filter(has_text=f"pure {path.stem}")).to_have_count(1)
    expect(title(page)).to_have_text("pure blue")
    assert [text.splitlines()[0] for text in texts(history(page))] == ["pure blue", "pure green", "pure red"]


def test_one_click_classifies_the_sample_castle(page: Page) -> None:
    button(page, "Use the sample castle").click()
    expect(page.get_by_role("img", name="castle_image.jpg")).to_have_js_property("naturalWidth", 800)
    expect(title(page)).to_contain_text("pure")


def test_the_time_of_each_stage_is_that_of_the_server_timing_header(page: Page) -> None:
    with page.expect_response("**/predict") as response:
        choose(page)
    expect(page.locator("#stages dt")).to_have_text(
        ["Reading the picture", "Waiting for a worker", "Computing", "Other", "Total"]
    )
    header = response.value.header_value("Server-Timing") or ""
    stages = dict(re.findall(r"(\w+);dur=([\d.]+)", header))
    shown = dict(zip(texts(page.locator("#stages dt")), texts(page.locator("#stages dd")), strict=True))
    for stage, name in {"decode": "Reading the picture", "inference": "Computing", "total": "Total"}.items():
        assert abs(float(shown[name].removesuffix(" ms")) - float(stages[stage])) <= 0.5


def test_the_model_is_named_and_its_workers_note_is_shown_as_text(page: Page) -> None:
    def add_note(route: Route) -> None:
        response = route.fetch()
        ready = response.json()
        ready["workers"][0]["note"] = "This is <b>not</b> ResNet50."
        route.fulfill(response=response, body=json.dumps(ready))

    page.route("**/readyz", add_note)
    choose(page)
    expect(page.locator(".model")).to_have_text(
        "Answered by colours in float32. This is <b>not</b> ResNet50.", use_inner_text=True
    )


def test_a_cached_result_is_marked_and_shows_only_the_total_time(open_page: OpenPage, page_services: Services) -> None:
    _, url = page_services.start_web_server(CACHE_TTL_S=60)
    page = open_page(url)
    model = page.locator(".model")
    choose(page, file("red.png"))
    expect(model).to_have_text("Answered by colours in float32.", use_inner_text=True)
    choose(page, file("red.png"))
    expect(model).to_have_text("Answered by colours in float32, from the cache.", use_inner_text=True)
    expect(page.locator("#stages dt")).to_have_text(["Total"])


def test_the_name_of_a_file_is_shown_as_text(page: Page) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    choose(page, file(name, picture("red")))
    expect(title(page)).to_have_text("pure red")
    expect(page.locator("figcaption")).to_contain_text(name)


def test_a_picture_that_the_browser_cannot_show_is_still_classified(page: Page) -> None:
    choose(page, file("red.tiff", picture("red", format="TIFF")))
    expect(title(page)).to_have_text("pure red")
    expect(page.get_by_text("This browser cannot show this picture.")).to_be_visible()


def test_a_picture_from_the_history_is_shown_again_without_a_request(page: Page) -> None:
    for colour in ("red", "blue"):
        choose(page, file(f"{colour}.png"))
        expect(title(page)).to_have_text(f"pure {colour}")
    page.context.set_offline(True)
    history(page).filter(has_text="pure red").click()
    expect(title(page)).to_have_text("pure red")
    expect(page.locator("#name")).to_have_text("red.png")
    expect(history(page).filter(has_text="pure red")).to_have_attribute("aria-current", "true")
    expect(history(page).filter(has_text="pure blue")).to_have_attribute("aria-current", "false")


def test_an_older_picture_stays_selected_while_others_are_classified(page: Page) -> None:
    choose(page, file("red.png"))
    expect(title(page)).to_have_text("pure red")
    gate = Gate(page)
    choose(page, file("green.png"), file("blue.png"))
    history(page).filter(has=page.get_by_role("img", name="red.png")).click()
    for colour in ("green", "blue"):
        gate.let_through()
        expect(history(page).filter(has_text=f"pure {colour}")).to_have_count(1)
    expect(title(page)).to_have_text("pure red")


def test_of_many_pictures_dropped_together_all_results_are_kept_and_one_that_failed_can_be_tried_again(
    page: Page,
) -> None:
    page.route("**/predict", lambda route: route.fulfill(status=500, json={"title": "Failed"}), times=1)
    choose(page, *[file(f"{number}.png", picture("red", size=(2, 2))) for number in range(50)])
    expect(history(page).filter(has_text="pure red")).to_have_count(49)
    history(page).filter(has_text="Failed").click()
    button(page, "Try again").click()
    expect(history(page).filter(has_text="pure red")).to_have_count(50)


def test_only_the_previews_near_the_view_are_loaded_and_nothing_moves_when_they_are(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 320, "height": 480})
    page.context.set_offline(True)
    choose(page, *[file(f"{number} {'x' * 100}.png", picture("red", size=(2, 2))) for number in range(20)])
    images = page.locator("#history img")
    latest, first = images.first, images.last
    latest.scroll_into_view_if_needed()
    expect(latest).to_have_js_property("naturalWidth", 2)
    expect(first).to_have_js_property("naturalWidth", 0)
    height = page.evaluate("document.documentElement.scrollHeight")
    first.scroll_into_view_if_needed()
    expect(first).to_have_js_property("naturalWidth", 2)
    expect(latest).to_have_js_property("naturalWidth", 0)
    assert page.evaluate("document.documentElement.scrollHeight") == height


def test_the_part_that_the_network_sees_is_outlined(page_services: Services, open_page: OpenPage) -> None:
    page = open_page(page_services.start_web_server(CROP_MODE="center", CROP_PCT="0.5")[1])
    button(page, "Use the sample castle").click()
    expect(page.locator("#seen")).to_be_visible()
    image, seen = (page.locator(name).bounding_box() for name in ("#picture", "#seen"))
    assert image
    assert seen
    # 800 x 480 pixels, of which the middle 240 x 240 are seen.
    assert seen["width"] / image["width"] == pytest.approx(240 / 800, abs=0.01)
    assert seen["height"] / image["height"] == pytest.approx(240 / 480, abs=0.01)
    assert seen["x"] - image["x"] == pytest.approx(image["width"] * 280 / 800, abs=2)
    assert seen["y"] - image["y"] == pytest.approx(image["height"] * 120 / 480, abs=2)


def test_nothing_is_outlined_where_the_network_sees_all_of_the_picture(page: Page) -> None:
    button(page, "Use the sample castle").click()
    expect(title(page)).to_have_text(re.compile("pure"))
    expect(page.locator("#seen")).to_be_hidden()
