"""How pictures get to the service: the same way as the question whether it is ready, and over trusted connections."""

import ssl
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clients.classification import Classification
from clients.connections import Connections, environment_proxy
from clients.pace import GaveUp, Pace
from clients.picture_upload import Picture
from clients.service import Service
from clients.walk import Found
from tests.support.busy_service import busy_service
from tests.support.certificates import certificate as certificate
from tests.support.http_stub import serving


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


class Recorder(ThreadingHTTPServer):
    """Answers everything, and keeps the targets and headers of requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.targets: list[str] = []
        self.headers: list[Message] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_GET(self) -> None:
        self._answer(b'{"ready": true}')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.server.targets.append(self.path)
        self.server.headers.append(self.headers)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def ask_both(url: str) -> None:
    """Ask whether the service is ready, and send a picture."""
    with Service(url) as service:
        service.wait_until_ready(60)
    connections = Connections(url, 1, 60, proxy=environment_proxy(url))
    assert connections.post(b"x", {}).status == 200
    connections.close()


def test_a_server_gets_paths_and_a_proxy_whole_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Recorder()
    with serving(server):
        ask_both(f"{server.url}/classifier")
        monkeypatch.setenv("http_proxy", f"http://me:a%3Ab@127.0.0.1:{server.server_port}")
        ask_both("http://classifier.invalid/below")
    whole = "http://classifier.invalid/below"
    assert server.targets == ["/classifier/readyz", "/classifier/predict", f"{whole}/readyz", f"{whole}/predict"]
    assert [headers["Host"] for headers in server.headers[2:]] == ["classifier.invalid"] * 2
    assert [headers["Proxy-Authorization"] for headers in server.headers[2:]] == ["Basic bWU6YTpi"] * 2


def test_networks_without_a_proxy_are_those_that_requests_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "10.0.0.0/8")
    assert environment_proxy("http://10.1.2.3:5000") is None
    assert environment_proxy("http://11.1.2.3:5000") == "http://proxy.invalid:3128"
    assert environment_proxy("http://127.0.0.1:5000") is None


def test_a_certificate_of_an_authority_that_the_environment_names_is_trusted(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with busy_service() as busy:
        encrypt(busy, certificate)
        ask_both(f"https://127.0.0.1:{busy.server_port}")


def test_a_certificate_that_is_not_trusted_ends_the_run_at_once(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    with busy_service() as busy:
        encrypt(busy, certificate)
        connections = Connections(f"https://127.0.0.1:{busy.server_port}", 1, 60)
        with pytest.raises(GaveUp, match="certificate is not trusted"):
            Classification(connections, Pace(1, 60)).classify(Picture.of(Found(str(path))))
        connections.close()


def encrypt(server: ThreadingHTTPServer, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
