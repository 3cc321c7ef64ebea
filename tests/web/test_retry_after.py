"""Refusals by RATE_LIMIT cost nothing, and who tries again as told gets through; with a real Redis that counts."""

from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from limits import RateLimitItemPerMinute
from werkzeug.test import TestResponse

from jobs.connection import connect
from jobs.protocol import Keys
from pictures.cell_pool import CellPool
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.stub_queue import StubQueue, stub_app
from tests.web.test_app import assert_problem, multipart
from web.request_counter import RequestCounter

MakeHttp = Callable[..., FlaskClient]
PassTime = Callable[[int], None]


@pytest.fixture(scope="module")
def cells() -> Iterator[CellPool]:
    """The decoding processes of all apps of this module."""
    cells = CellPool(Settings(_env_file=None))  # type: ignore[call-arg]
    yield cells
    cells.close()


@pytest.fixture
def make_http(make_settings: MakeSettings, cells: CellPool) -> MakeHttp:
    return lambda limit: stub_app(make_settings(rate_limit=limit), StubQueue(), cells=cells).test_client()


@pytest.fixture
def pass_time(client: Client, settings: Settings) -> PassTime:
    """Has the counters age by so many seconds: only their time to live tells how old they are."""

    def pass_time(seconds: int) -> None:
        for key in client.keys(f"{Keys(settings).rate_limit}*"):
            client.pexpire(key, client.pttl(key) - 1000 * seconds)

    return pass_time


def post(http: FlaskClient, pictures: int = 1) -> TestResponse:
    return http.post("/predict", **multipart(*[("a.png", picture())] * pictures))


@pytest.mark.parametrize("earlier", [(1, 0), (10, 0), (9, 59), (7, 30), (3, 100)])
@pytest.mark.parametrize("used", [1, 5, 10])
@pytest.mark.parametrize("cost", [1, 2, 8, 10])
def test_after_the_wait_as_many_as_refused_are_within_the_limit_and_not_much_before(
    earlier: tuple[int, int], used: int, cost: int, settings: Settings, pass_time: PassTime
) -> None:
    counter = RequestCounter(settings, connect(settings), [RateLimitItemPerMinute(10)])
    assert counter.hit("a", cost=earlier[0])
    pass_time(earlier[1])
    counter.hit("a", cost=used)
    if counter.hit("a", cost=cost):
        return
    wait_s, _limit = counter.wait("a", cost=cost)
    assert wait_s <= 120
    pass_time(wait_s - 2)
    assert wait_s == 1 or not counter.hit("a", cost=cost)
    pass_time(2)
    assert counter.hit("a", cost=cost)


def test_who_tries_again_with_several_pictures_as_told_gets_through(make_http: MakeHttp, pass_time: PassTime) -> None:
    http = make_http("10/minute")
    assert {post(http).status_code for _ in range(8)} == {200}
    response = post(http, 8)
    assert_problem(response, 429, "10 per 1 minute, and each picture counts")
    pass_time(int(response.headers["Retry-After"]))
    assert post(http, 8).status_code == 200


def test_a_request_that_is_refused_as_a_whole_costs_nothing(make_http: MakeHttp) -> None:
    http = make_http("5/hour")
    assert post(http, 3).status_code == 200
    assert {post(http, 3).status_code for _ in range(5)} == {429}
    assert post(http, 2).status_code == 200
    assert post(http).status_code == 429


def test_more_pictures_than_the_limit_ever_lets_pass_are_a_bad_request(make_http: MakeHttp) -> None:
    http = make_http("5/second;3/hour")
    response = post(http, 4)
    assert_problem(response, 400, "4 pictures, and each counts; the limit is 3 per 1 hour")
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("limits", ["1/minute;3/hour", "3/hour;1/minute"])
def test_what_one_of_several_limits_refuses_counts_for_none_and_the_longest_wait_is_told(
    limits: str, make_http: MakeHttp, pass_time: PassTime
) -> None:
    http = make_http(limits)
    for _ in range(3):
        assert post(http).status_code == 200
        response = post(http)
        assert response.status_code == 429
        pass_time(60)
    assert_problem(response, 429, "3 per 1 hour")
    assert int(response.headers["Retry-After"]) > 60
