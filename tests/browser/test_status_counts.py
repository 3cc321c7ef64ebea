"""How the status page sums up counts of several web servers, in the browser that runs it."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route

from project import PROJECT_DIR

WEB = PROJECT_DIR / "web"


@pytest.fixture(scope="module")
def steps() -> str:
    """A script that gives answers to the page's module, and returns what it makes of them."""
    return """async (answers) => {
        const { Servers, quantile, total } = await import("/static/status/servers.js");
        const servers = new Servers();
        for (const [at, name, uptimeS, ok, failed = 0] of answers) {
            const requests = { 200: ok, 503: failed };
            const server = { name, uptime_s: uptimeS, in_progress: 1 };
            servers.add({ server, counts: { requests, latency_s: { "0.1": ok, "+Inf": ok + failed } } }, at);
        }
        const rates = servers.rates();
        return { names: servers.names, rate: total(rates?.requests), totals: servers.totals().requests,
                 lastMinute: servers.lastMinute().requests, p50: rates && quantile(rates.latency_s, 0.5) };
    }"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page of nobody, to which the status page's modules are given."""

    def answer(route: Route) -> None:
        path = WEB / urlsplit(route.request.url).path[1:]
        route.fulfill(path=path) if path.is_file() else route.fulfill(body="<!doctype html>", content_type="text/html")

    with browser.new_context() as context:
        page = context.new_page()
        page.route("**", answer)
        page.goto("http://status.test/")
        yield page


def test_a_rate_needs_two_answers_of_the_same_web_server(page: Page, steps: str) -> None:
    assert page.evaluate(steps, [[0, "a", 5, 100], [1, "b", 90, 7]])["rate"] is None
    assert page.evaluate(steps, [[0, "a", 5, 100], [1, "b", 90, 7], [2, "a", 7, 120]])["rate"] == 10


def test_the_rates_of_all_web_servers_are_summed_up_and_so_are_their_counts(page: Page, steps: str) -> None:
    shown = page.evaluate(steps, [[0, "a", 5, 100], [1, "b", 90, 7, 1], [2, "a", 7, 120], [3, "b", 92, 15, 3]])
    assert shown["names"] == ["a", "b"]
    assert shown["rate"] == 10 + 5
    assert shown["totals"] == {"200": 135, "503": 3}
    assert shown["lastMinute"] == {"200": 28, "503": 2}


def test_rates_are_by_the_web_servers_own_clock(page: Page, steps: str) -> None:
    # An older copy, and a late answer.
    shown = page.evaluate(steps, [[0, "a", 5, 100], [1, "a", 4.8, 98], [2.5, "a", 7, 120]])
    assert shown["rate"] == 10


def test_a_rate_is_that_of_the_last_10_seconds(page: Page, steps: str) -> None:
    shown = page.evaluate(steps, [[t, "a", t + 5, 100 * min(t, 20)] for t in range(31)])
    assert shown["rate"] == 0


def test_a_web_server_that_was_started_again_counts_from_its_start(page: Page, steps: str) -> None:
    restarted = [[t, "new", t, 4 * t] for t in range(2, 20)]
    shown = page.evaluate(steps, [[0, "old", 500, 100], [1, "old", 501, 110], *restarted])
    assert (shown["rate"], shown["totals"]["200"]) == (4, 4 * 19)


def test_a_web_server_that_has_not_answered_for_a_while_is_forgotten(page: Page, steps: str) -> None:
    gone = [[0, "gone", 5, 100], [1, "gone", 6, 200]]
    shown = page.evaluate(steps, [*gone, *[[t, "a", t, 10 * t] for t in range(2, 11)]])
    assert (shown["names"], shown["rate"]) == (["a", "gone"], 110)
    shown = page.evaluate(steps, [*gone, *[[t, "a", t, 10 * t] for t in range(2, 13)]])
    assert (shown["names"], shown["rate"]) == (["a"], 10)


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({"0.1": 0, "+Inf": 0}, 0.5, None),
        ({"0.1": 10, "0.2": 20, "+Inf": 20}, 0.5, 0.1),
        ({"0.1": 10, "0.2": 20, "+Inf": 20}, 0.75, 0.15),
        ({"1.0": 0, "0.5": 0, "2.5": 4, "10.0": 4, "+Inf": 4}, 0.5, 1.75),
        ({"0.1": 1, "60.0": 1, "+Inf": 100}, 0.99, 60),
    ],
    ids=["no buckets", "no observations", "a bound", "between bounds", "any order", "beyond the last bound"],
)
def test_a_quantile_is_interpolated_within_its_bucket(
    page: Page, buckets: dict[str, int], share: float, expected: float | None
) -> None:
    script = "async (given) => (await import('/static/status/servers.js')).quantile(...given)"
    assert page.evaluate(script, [buckets, share]) == pytest.approx(expected)
