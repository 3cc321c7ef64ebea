"""The result cache: the same picture is not computed again, and nothing else changes."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from benchmarks.services import Services, wait_until
from errors import JobFailed, ServiceUnavailable
from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.clients import post as post_to
from tests.web.result_cache.cached_fleet import Fleet, cached_keys, http_client, is_cached, post
from web import result_cache


def test_the_same_picture_is_answered_from_the_cache_without_a_job(http: FlaskClient, fleet: Fleet) -> None:
    first, second = post(http), post(http)
    assert first.json is not None
    assert second.json == first.json | {"cached": True, "id": second.headers["X-Request-ID"]}
    assert second.json["id"] != first.json["id"]
    assert len(fleet.pixels) == 1


def test_log_timing_and_metrics_show_cache_hits_and_misses(http: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    timings = [post(http).headers["Server-Timing"].split(", ")[0] for _ in range(2)]
    fields = [vars(record)["fields"] for record in caplog.records if record.message == "request_answered"]
    assert [line["cache"] for line in fields] == ["miss", "hit"]
    metrics = http.get("/metrics").text
    assert all(f'classifier_cache_requests_total{{outcome="{outcome}"}} 1.0' in metrics for outcome in ("miss", "hit"))
    assert timings[0].startswith("decode;")
    assert timings[1] == "cache;desc=hit"


def test_a_form_and_a_raw_body_of_the_same_bytes_are_the_same_picture(http: FlaskClient) -> None:
    post(http)
    assert is_cached(http.post("/predict", data=picture(), content_type="image/png"))


@pytest.mark.parametrize("other", [picture("blue"), picture("red", "JPEG"), picture() + b"\0"])
def test_other_bytes_are_another_picture(other: bytes, http: FlaskClient) -> None:
    post(http)
    assert not is_cached(post(http, other))


def test_by_default_there_is_no_cache(make_settings: MakeSettings, client: Client, fleet: Fleet) -> None:
    settings = make_settings()
    http = http_client(settings, fleet)
    responses = [post(http) for _ in range(2)]
    assert [is_cached(response) for response in responses] == [False, False]
    assert len(fleet.pixels) == 2
    assert client.keys(f"{settings.key_prefix}*") == []


def test_a_cached_result_expires_however_often_it_is_used(
    make_settings: MakeSettings, client: Client, fleet: Fleet
) -> None:
    settings = make_settings(cache_ttl_s=1)
    http = http_client(settings, fleet)
    post(http)
    (key,) = cached_keys(client, settings)
    assert 0 < client.pttl(key) <= 1000
    wait_until(lambda: not is_cached(post(http)))
    assert len(fleet.pixels) == 2


def test_an_error_is_not_cached(http: FlaskClient, fleet: Fleet, settings: Settings, client: Client) -> None:
    fleet.error = JobFailed("broken")
    assert post(http).status_code == 500
    assert len(fleet.pixels) == 1
    fleet.error = None
    assert [post(http, b"no picture").status_code for _ in range(2)] == [400, 400]
    assert cached_keys(client, settings) == []
    assert not is_cached(post(http))


def test_results_of_a_retired_network_are_never_served(http: FlaskClient, fleet: Fleet) -> None:
    post(http)
    fleet.serve("new")
    response = post(http)
    assert not is_cached(response)
    assert response.json is not None
    assert response.json["model"] == "new"


def test_the_living_networks_are_cached(http: FlaskClient, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_cache, "NETWORKS_TTL_S", 3600)
    post(http)
    fleet.serve("new")
    assert is_cached(post(http))


def test_while_two_networks_are_alive_results_of_either_are_served(http: FlaskClient, fleet: Fleet) -> None:
    post(http)
    fleet.serve("a new one", "old")
    assert is_cached(post(http))


def test_while_no_worker_is_alive_the_cache_is_not_used(http: FlaskClient, fleet: Fleet) -> None:
    post(http)
    fleet.serve()
    assert not is_cached(post(http))


def test_web_servers_share_the_cache(settings: Settings) -> None:
    first, second = Fleet(), Fleet()
    post(http_client(settings, first))
    assert is_cached(post(http_client(settings, second)))
    assert second.pixels == []


@pytest.mark.parametrize(
    "changes", [{"image_width": 112}, {"image_chans": 1}, {"max_image_pixels": 5000}, {"key_prefix": "other:"}]
)
def test_web_servers_with_other_decoding_settings_or_key_prefix_do_not_share_the_cache(
    changes: dict[str, object], make_settings: MakeSettings, fleet: Fleet
) -> None:
    post(http_client(make_settings(cache_ttl_s=60), fleet))
    assert not is_cached(post(http_client(make_settings(cache_ttl_s=60, **changes), fleet)))


def test_a_cached_result_has_the_key_prefix_and_takes_less_than_a_kilobyte(settings: Settings, client: Client) -> None:
    post(http_client(settings, Fleet("only here")))
    (key,) = client.keys("*only here*")
    assert key.startswith(settings.key_prefix)
    assert client.memory_usage(key) < 1024


def test_api_keys_and_rate_limits_also_hold_for_cached_results(make_settings: MakeSettings, fleet: Fleet) -> None:
    http = http_client(make_settings(cache_ttl_s=60, api_keys="first", rate_limit="2/hour"), fleet)
    assert not is_cached(post(http, key="first"))
    assert post(http, key="wrong").status_code == 401
    assert is_cached(post(http, key="first"))
    assert post(http, key="first").status_code == 429


def test_cached_results_are_served_even_while_the_queue_refuses_jobs(http: FlaskClient, fleet: Fleet) -> None:
    post(http)
    fleet.refusal = ServiceUnavailable("full", retry_after_s=1)
    assert is_cached(post(http))
    assert post(http, picture("blue")).status_code == 503
    assert len(fleet.pixels) == 1


class TestRealService:
    """With real workers and real web servers."""

    @pytest.fixture
    def settings(self, colour_settings: MakeSettings) -> Settings:
        return colour_settings(web_processes=1, cache_ttl_s=600)

    def test_two_web_servers_compute_a_picture_once_for_each_network(self, services: Services, tmp_path: Path) -> None:
        first = services.start_worker()
        urls = [services.start_web_server()[1] for _ in range(2)]
        results = [post_to(url, "red").json() for url in (*urls, *urls)]
        assert [result.get("cached", False) for result in results] == [False, True, True, True]
        assert [result["predictions"][0] for result in results] == [results[0]["predictions"][0]] * 4
        assert first.output.count("job_claimed") == 1
        labels = tmp_path / "other_labels.txt"
        labels.write_text("\n".join(f"other_{number}" for number in range(8)))
        services.start_worker(LABELS=labels)
        first.stop()
        wait_until(lambda: post_to(urls[0], "red").json()["predictions"][0]["label"] == "other_4")
        assert post_to(urls[0], "red").json()["cached"] is True
