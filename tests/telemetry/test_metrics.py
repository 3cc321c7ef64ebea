"""Metrics: names that follow Prometheus's conventions, and numbers that match what clients saw."""

import json
import os
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.services import Services, answers, wait_until
from clients.load import Load
from clients.sender import Sender
from jobs.monitor import STATE_TIMEOUT_S, QueueMonitor
from jobs.observers import Delivery, QueueState
from jobs.protocol import JobResult
from project import PROJECT_DIR
from settings import Settings
from telemetry.request_record import RequestRecord
from telemetry.web_metrics import WebMetrics
from telemetry.worker_metrics import WorkerMetrics
from tests.conftest import Client, MakeSettings, picture
from tests.support.clients import post
from tools.embedded_redis import free_port

DASHBOARD = PROJECT_DIR / "docs" / "grafana.json"


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings()


def scrape(url: str) -> dict[str, Metric]:
    response = requests.get(f"{url}/metrics", timeout=5)
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The sum of all samples that have these labels."""
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    assert samples, name
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_name_follows_the_conventions_of_prometheus() -> None:
    web, worker = WebMetrics(lambda: QueueState(1, 2, 3)), WorkerMetrics()
    web.finished(RequestRecord("1", "GET", "/", "/", status=200))
    text = (web.text() + generate_latest(worker.registry)).decode()
    families = [family for family in text_string_to_metric_families(text) if family.name.startswith("classifier_")]
    assert len(families) == 22
    for family in families:
        assert family.documentation.endswith("."), family.name
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", family.name)
        assert not re.search(r"_(ms|milliseconds|minutes|count|sum|bucket)$", family.name)
        assert ("seconds" in family.name) == family.name.endswith("_duration_seconds")
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}
    assert {family.type for family in families} == {"counter", "gauge", "histogram"}


def test_clients_cannot_create_labels(services: Services) -> None:
    _, url = services.start_web_server()
    requests.request("PROPFIND", f"{url}/coffee", timeout=5)
    requests.get(f"{url}/{'x' * 50}", timeout=5)
    (samples,) = [family.samples for name, family in scrape(url).items() if name == "classifier_http_requests"]
    counted = {(s.labels["method"], s.labels["endpoint"], s.labels["status"]) for s in samples}
    assert counted == {("GET", "/livez", "200"), ("other", "unmatched", "404"), ("GET", "unmatched", "404")}


def test_after_a_load_the_counts_match_those_of_the_load_generator(services: Services) -> None:
    port = free_port()
    services.start_worker(METRICS_PORT=port)
    _, url = services.start_web_server(WEB_PROCESSES=2)
    with Sender(url, [picture(size=(60, 40))], 16, timeout_s=30) as sender:
        load = Load(sender.send, threading.Event())
        load.closed_loop(16, 150)
    bad = [requests.post(f"{url}/predict", data=b"no", headers={"Content-Type": "image/png"}, timeout=5) for _ in "123"]
    web, worker = scrape(url), scrape(f"http://127.0.0.1:{port}")
    samples = load.results.samples
    assert [sample.outcome for sample in samples] == ["200"] * 150
    clients_s = sum(sample.latency_s for sample in samples)
    assert [response.status_code for response in bad] == [400, 400, 400]
    predict = {"method": "POST", "endpoint": "/predict"}
    assert value(web, "classifier_http_requests_total", status="200", **predict) == 150
    assert value(web, "classifier_http_requests_total", status="400", **predict) == 3
    assert value(web, "classifier_http_request_duration_seconds_count", endpoint="/predict") == 153
    assert value(web, "classifier_http_request_duration_seconds_sum", endpoint="/predict") <= clients_s + 5
    for name in ("decode_duration_seconds", "queue_duration_seconds", "inference_duration_seconds"):
        assert value(web, f"classifier_{name}_count") == 150
    assert value(web, "classifier_decoded_pixels_total") == 150 * 60 * 40
    assert value(web, "classifier_results_total") == 150
    assert value(web, "classifier_jobs_requeued_total") == 0
    assert value(web, "classifier_http_requests_in_progress") == 0
    assert value(worker, "classifier_worker_jobs_total", outcome="done") == 150
    assert value(worker, "classifier_worker_batch_size_sum") == 150
    assert value(worker, "classifier_worker_batch_size_count") == value(
        worker, "classifier_worker_inference_duration_seconds_count"
    )


def test_scrapes_are_not_counted_and_not_logged_as_requests(services: Services) -> None:
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    assert scrape(url)
    assert requests.get(f"{url}/", timeout=5).ok

    def counted() -> set[str]:
        return {sample.labels["endpoint"] for sample in scrape(url)["classifier_http_requests"].samples}

    # Until there is a copy that was made after the first scrape.
    wait_until(lambda: "/" in counted())
    assert counted() == {"/", "/livez"}
    assert value(scrape(url), "classifier_http_requests_in_progress") == 0
    assert "path=/metrics" not in web_server.output


def test_queue_depth_and_living_workers_are_those_in_redis(
    settings: Settings, services: Services, client: Client
) -> None:
    _, url = services.start_web_server(QUEUE_CAPACITY=7)
    client.rpush(f"{settings.key_prefix}image_queue", "1", "2", "3")
    seconds, _ = client.time()
    client.zadd(f"{settings.key_prefix}workers", {"alive": seconds, "long dead": seconds - 30})
    families = scrape(url)
    assert value(families, "classifier_redis_up") == 1
    assert value(families, "classifier_queue_depth") == 3
    assert value(families, "classifier_queue_capacity") == 7
    assert value(families, "classifier_workers_alive") == 1


@contextmanager
def unresponsive_redis() -> Iterator[str]:
    """A server that accepts connections and never replies."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_without_redis_a_scrape_is_fast_and_has_all_other_metrics(make_settings: MakeSettings) -> None:
    with unresponsive_redis() as url:
        metrics = WebMetrics(QueueMonitor(make_settings(redis_url=url)).state)
        with ThreadPoolExecutor(1) as pool:
            # Less than the usual socket time-out of 5 s; the rest is a margin for slow machines.
            text = pool.submit(metrics.text).result(timeout=4).decode()
    assert 2 * STATE_TIMEOUT_S < 1
    assert "classifier_redis_up 0.0\n" in text
    assert "classifier_queue_depth" not in text
    assert 'classifier_results_total{via="polled"} 0.0\n' in text
    gone = make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    assert QueueMonitor(gone).state() is None


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def metric_folders(pid: int) -> set[str]:
    """The folders of the metric files that a process has open."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    return {os.path.dirname(path) for path in re.findall(r" (/\S+\.db)$", maps, re.MULTILINE)}


def test_a_killed_process_keeps_its_counts_but_not_its_requests_in_progress(
    services: Services, settings: Settings, client: Client
) -> None:
    web_server, url = services.start_web_server(WEB_PROCESSES=1)
    assert requests.get(f"{url}/", timeout=5).ok
    seconds, _ = client.time()
    client.zadd(f"{settings.key_prefix}workers", {"of no avail": seconds + 60})
    (pid,) = children(web_server.popen.pid)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(post, url, "red")
        wait_until(lambda: value(scrape(url), "classifier_http_requests_in_progress") == 1)
        os.kill(pid, signal.SIGKILL)
        assert isinstance(waiting.exception(), requests.ConnectionError)
    wait_until(lambda: children(web_server.popen.pid) not in ([pid], []) and answers(f"{url}/livez"))
    families = scrape(url)
    assert value(families, "classifier_http_requests_in_progress") == 0
    assert value(families, "classifier_http_requests_total", endpoint="/") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_processes_share_one_folder_that_is_deleted_at_the_end(number: int, services: Services) -> None:
    web_server, _url = services.start_web_server(WEB_PROCESSES=2)

    def folders() -> list[str]:
        return [folder for pid in children(web_server.popen.pid) for folder in metric_folders(pid)]

    wait_until(lambda: len(folders()) == 2)
    (folder,) = set(folders())
    leaving, _ = children(web_server.popen.pid)
    os.kill(leaving, signal.SIGTERM)
    wait_until(lambda: leaving not in children(web_server.popen.pid) and len(folders()) == 2)
    assert Path(folder).is_dir()
    web_server.signal_group(number)
    assert web_server.popen.wait(60) == 0
    assert not Path(folder).exists()


def test_requeued_jobs_are_counted(settings: Settings, services: Services, client: Client) -> None:
    worker = services.start_worker()
    _, url = services.start_web_server(POLL_INTERVAL_S=0.1)
    worker.popen.send_signal(signal.SIGSTOP)
    queue = f"{settings.key_prefix}image_queue"
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(post, url, "red")
        # The job is popped here, or by the stopped worker's pending BLPOP; either way it is lost.
        try:
            wait_until(
                lambda: (
                    not client.lpop(queue) and value(scrape(url), "classifier_jobs_requeued_total", reason="lost") >= 1
                )
            )
        finally:
            worker.popen.send_signal(signal.SIGCONT)
        assert response.result().status_code == 200
    wait_until(lambda: client.llen(queue) == 0)
    wait_until(lambda: value(scrape(url), "classifier_results_total") == 1)


def test_a_polled_result_is_counted_as_polled() -> None:
    metrics = WebMetrics()
    metrics.delivered(Delivery.POLLED)
    metrics.finished(RequestRecord("1", "POST", "/predict", "/predict", cache=Counter(hit=1), status=200))
    metrics.classified(0.1, 0.2, [JobResult("1", "w", "m", inference_s=0.3, batch_size=4)])
    text = metrics.text().decode()
    assert 'classifier_results_total{via="polled"} 1.0\n' in text
    assert 'classifier_results_total{via="notified"} 0.0\n' in text
    assert 'classifier_cache_requests_total{outcome="hit"} 1.0\n' in text
    assert "classifier_queue_duration_seconds_sum 0.0\n" in text


def test_a_worker_whose_metrics_port_is_in_use_stops_with_an_error(services: Services) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = services.start("run_model_server.py", METRICS_PORT=taken.getsockname()[1])
        assert worker.popen.wait(60) == 1
    assert "metrics_unavailable level=error" in worker.output
    assert "Traceback" not in worker.output


def test_a_worker_serves_metrics_only_when_it_has_its_network(services: Services, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = services.start("run_model_server.py", METRICS_PORT=port, MODEL=tmp_path / "missing.keras")
        assert worker.popen.wait(60) == 1
    assert "model_unavailable" in worker.output
    assert "metrics_unavailable" not in worker.output


def test_the_dashboard_shows_every_metric_and_no_other(services: Services) -> None:
    port = free_port()
    services.start_worker(METRICS_PORT=port)
    _, url = services.start_web_server()
    assert post(url, "red").status_code == 200
    families = scrape(url) | scrape(f"http://127.0.0.1:{port}")
    scraped = {sample.name for family in families.values() for sample in family.samples}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queried = {
        name
        for panel in panels
        for target in panel.get("targets", [])
        for name in re.findall(r"\b(?:classifier|process)_\w+", target["expr"])
    }
    assert len(queried) > 15
    assert queried <= scraped
    shown_by_name = {name for name in scraped if name.startswith("classifier_")}
    families_shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in queried}
    missing = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown_by_name} - families_shown
    assert missing == set()
