"""`/status.json`: what Redis says, what this web server has counted, and which web server it is."""

from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from benchmarks.services import Services
from jobs.client import JobClient
from jobs.monitor import QueueMonitor
from jobs.protocol import Keys
from settings import Settings
from telemetry.web_metrics import WebMetrics
from tests.conftest import Client, MakeSettings, picture
from tests.support.stub_queue import StubQueue, form, stub_app
from tests.web.test_app import assert_problem
from tools.embedded_redis import free_port
from web.app import create_app


@pytest.fixture
def http(settings: Settings) -> FlaskClient:
    return real_app(settings).test_client()


def real_app(settings: Settings) -> Flask:
    return create_app(settings, JobClient(settings), QueueMonitor(settings))


def status(http: FlaskClient) -> dict[str, Any]:
    response = http.get("/status.json")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json is not None
    return dict(response.json)


@pytest.mark.usefixtures("live_worker")
def test_the_living_workers_are_listed_and_the_queue_is_measured(
    http: FlaskClient, client: Client, keys: Keys, settings: Settings
) -> None:
    client.rpush(keys.queue, "a", "b")
    answer = status(http)
    (worker,) = answer["workers"]
    assert (worker["name"], worker["model"], worker["precision"]) == ("w1", "m", "float32")
    assert worker["uptime_s"] > 0
    assert 0 <= worker["heartbeat_age_s"] < settings.heartbeat_ttl_s == answer["heartbeat_ttl_s"]
    assert answer["queue"] == {"depth": 2, "capacity": settings.queue_capacity}
    assert answer["reason"] is None


def test_while_redis_is_away_the_web_servers_own_counts_are_still_there(make_settings: MakeSettings) -> None:
    http = real_app(make_settings(redis_url=f"redis://127.0.0.1:{free_port()}")).test_client()
    assert http.post("/predict", data=form(picture())).status_code == 503
    answer = status(http)
    assert (answer["workers"], answer["queue"]) == (None, None)
    assert answer["reason"] == "The queue is out of reach. Try again soon."
    assert answer["counts"]["requests"] == {"503": 1}


@pytest.mark.usefixtures("live_worker")
def test_a_queue_of_the_wrong_type_is_the_reason_that_its_state_is_missing_although_redis_answers(
    settings: Settings, http: FlaskClient, client: Client, keys: Keys
) -> None:
    client.set(keys.queue, "x")
    answer = status(http)
    assert ([worker["name"] for worker in answer["workers"]], answer["queue"]) == (["w1"], None)
    assert answer["reason"].startswith(f"The key {keys.queue} has the wrong type")
    metrics = WebMetrics(QueueMonitor(settings).state).text().decode()
    assert "classifier_redis_up 1.0\n" in metrics
    assert "classifier_workers_alive" not in metrics


def test_requests_to_predict_are_counted_and_no_others(settings: Settings) -> None:
    http = stub_app(settings, StubQueue()).test_client()
    for upload in (picture(), picture(), b"no picture"):
        http.post("/predict", data=form(upload))
    for path in ("/", "/nowhere", "/status.json"):
        http.get(path)
    counts = stub_counts(http)
    assert counts["requests"] == {"200": 2, "400": 1}
    assert counts["latency_s"]["+Inf"] == 3
    assert list(counts["latency_s"].values()) == sorted(counts["latency_s"].values())
    assert b'endpoint="/status.json"' not in http.get("/metrics").data


def stub_counts(http: FlaskClient) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = status(http)["counts"]
    return counts


def test_every_group_of_counts_exists_before_anything_happens(http: FlaskClient) -> None:
    counts = stub_counts(http)
    assert (counts["requests"], counts["latency_s"]) == ({}, {})
    assert counts["results"] == {"notified": 0, "polled": 0}
    assert counts["requeued"] == {"lost": 0, "orphaned": 0}
    assert counts["cells_died"] == {"time": 0, "crash": 0, "killed": 0}
    assert counts["cache"] == {"hit": 0, "miss": 0}
    assert set(counts["refused"].values()) == {0}


def test_two_runs_of_a_web_server_have_different_names_even_with_the_same_server_name(settings: Settings) -> None:
    names = {status(real_app(settings).test_client())["server"]["name"] for _ in range(4)}
    assert len(names) == 4
    assert all(name.startswith("test-") for name in names)


def test_an_api_key_is_needed_where_there_are_some(make_settings: MakeSettings) -> None:
    http = real_app(make_settings(api_keys="right")).test_client()
    assert_problem(http.get("/status.json"), 401, "API keys")
    assert http.get("/status.json", headers={"Authorization": "Bearer right"}).status_code == 200
    assert http.get("/status").status_code == 200


def test_guessed_keys_are_counted_as_those_of_predict_are(make_settings: MakeSettings) -> None:
    http = real_app(make_settings(api_keys="right")).test_client()
    wrong = {"Authorization": "Bearer wrong"}
    assert [http.get("/status.json", headers=wrong).status_code for _ in range(11)] == [401] * 10 + [429]
    assert http.post("/predict", headers=wrong).status_code == 429


def test_reading_the_status_does_not_count_towards_the_rate_limit(make_settings: MakeSettings) -> None:
    http = stub_app(make_settings(rate_limit="1/hour"), StubQueue()).test_client()
    for _ in range(5):
        status(http)
    assert [http.post("/predict", data=form(picture())).status_code for _ in range(2)] == [200, 429]


def test_all_processes_of_a_web_server_count_together_under_one_name(services: Services) -> None:
    web_server, url = services.start_web_server(WEB_PROCESSES=2)
    for _ in range(12):
        requests.post(f"{url}/predict", data=b"no", headers={"Content-Type": "image/png"}, timeout=60)
    answers = [requests.get(f"{url}/status.json", timeout=60).json() for _ in range(20)]
    assert len({answer["server"]["name"] for answer in answers}) == 1
    assert [answer["counts"]["requests"] for answer in answers] == [{"400": 12}] * 20
    ups = [answer["server"]["uptime_s"] for answer in answers]
    assert max(ups) - min(ups) < 60
    assert "status.json" not in web_server.output
