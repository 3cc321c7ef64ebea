"""Keras's weights: downloaded and verified, or an error that says where to put the file."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from inference import weights
from inference.weights import WeightsUnavailable, find_weights
from keras_networks import WeightsFile
from tests.support.http_stub import serving, url_of
from tools.embedded_redis import free_port

CONTENT = bytes(range(256)) * 20_000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
NAME = "network.h5"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "models"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "weights.h5").write_bytes(CONTENT)
    yield from serve(partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "hub")))


@pytest.fixture
def slow_url() -> Iterator[str]:
    stop = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        """Sends without end, so that no read times out."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not stop.wait(0.01):
                self.wfile.write(b"x")

    yield from serve(Slow)
    stop.set()


@pytest.fixture
def stalled_url() -> Iterator[str]:
    stop = threading.Event()

    class Stalled(BaseHTTPRequestHandler):
        """Sends one byte and then nothing."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")
            stop.wait(60)

    for url in serve(Stalled):
        yield url
        stop.set()


@pytest.fixture
def short_url() -> Iterator[str]:
    class Short(BaseHTTPRequestHandler):
        """Hangs up before the end."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x")

    yield from serve(Short)


def serve(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that hang up."""

    with serving(Server(("127.0.0.1", 0), handler)) as server:
        yield f"{url_of(server)}/weights.h5"


def test_the_weights_are_downloaded_once(url: str, cache: Path) -> None:
    path = find_weights(WeightsFile(NAME, url, MD5), timeout_s=60)
    assert path == cache / NAME
    assert path.read_bytes() == CONTENT
    assert find_weights(WeightsFile(NAME, "http://nowhere.invalid/", MD5), timeout_s=60) == path


def test_a_download_shows_its_progress(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    find_weights(WeightsFile(NAME, url, MD5), timeout_s=60)
    percents = [vars(record)["fields"]["percent"] for record in caplog.records if record.message == "download_progress"]
    assert percents[-1] == 100
    assert percents == sorted(percents)


def test_a_file_with_the_wrong_checksum_is_not_kept(url: str, cache: Path) -> None:
    with pytest.raises(WeightsUnavailable):
        find_weights(WeightsFile(NAME, url, "0" * 32), timeout_s=60)
    assert list(cache.iterdir()) == []


def test_a_checksum_may_be_a_sha256(url: str, cache: Path) -> None:
    for digest, good in ((hashlib.sha256(CONTENT).hexdigest(), True), ("0" * 64, False)):
        (cache / NAME).unlink(missing_ok=True)
        with nullcontext() if good else pytest.raises(WeightsUnavailable):
            find_weights(WeightsFile(NAME, url, digest), timeout_s=60)


def test_a_download_without_a_checksum_must_at_least_be_complete(short_url: str, cache: Path) -> None:
    with pytest.raises(WeightsUnavailable):
        find_weights(WeightsFile(NAME, short_url, ""), timeout_s=60)
    assert list(cache.iterdir()) == []


def test_a_slow_download_ends_at_its_timeout(slow_url: str, cache: Path) -> None:
    with pytest.raises(WeightsUnavailable) as unavailable:
        find_weights(WeightsFile(NAME, slow_url, MD5), timeout_s=0.5)
    assert isinstance(unavailable.value.__cause__, TimeoutError)
    assert list(cache.iterdir()) == []


def test_a_stalled_download_ends_too(stalled_url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "READ_TIMEOUT_S", 0.2)
    with pytest.raises(WeightsUnavailable):
        find_weights(WeightsFile(NAME, stalled_url, MD5), timeout_s=60)
    assert list(cache.iterdir()) == []


def test_a_host_that_does_not_answer_is_given_up_after_the_answer_timeout(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(weights, "ANSWER_TIMEOUT_S", 0.2)
    caplog.set_level("INFO")
    released = threading.Event()

    def hang(*_: object, **__: object) -> None:
        released.wait(60)

    monkeypatch.setattr(requests, "get", hang)
    with pytest.raises(WeightsUnavailable) as unavailable:
        find_weights(WeightsFile(NAME, "http://nowhere.invalid/weights.h5", MD5), timeout_s=60)
    released.set()
    assert str(unavailable.value.__cause__) == "no answer within 0.2 s"
    (started, _failed) = [vars(record)["fields"] for record in caplog.records]
    assert (started["answer_timeout_s"], started["timeout_s"]) == (0.2, 60)


def test_without_a_network_the_error_says_where_to_put_the_file(cache: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=f"put the file at {cache / NAME}"):
        find_weights(WeightsFile(NAME, f"http://127.0.0.1:{free_port()}/weights.h5", MD5), timeout_s=60)


def test_a_file_that_the_host_does_not_have_is_an_error_too(url: str) -> None:
    with pytest.raises(WeightsUnavailable):
        find_weights(WeightsFile(NAME, url.replace("weights.h5", "other.h5"), MD5), timeout_s=60)


def test_a_bundle_of_certificates_that_is_missing_is_the_reason(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such.pem")
    with pytest.raises(WeightsUnavailable):
        find_weights(WeightsFile(NAME, url.replace("http://", "https://"), MD5), 60)
    assert "/no/such.pem" in str(caplog.records[-1].fields["error"])  # type: ignore[attr-defined]
