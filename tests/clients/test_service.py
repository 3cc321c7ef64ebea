"""A client and a service that is busy, asks for a key, or lies behind a proxy; the service is made by hand."""

import os
from pathlib import Path

import pytest
import requests

from benchmarks.services import run_script
from clients.service import Service
from tests.conftest import picture
from tests.support.busy_service import Busy
from tools.embedded_redis import free_port


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says(status: int, busy: Busy) -> None:
    busy.statuses = [status, status]
    done = run_script("simple_request.py", "--url", busy.url)
    assert (done.returncode, done.stdout) == (0, "1. red: 1.0000\n")
    assert done.stderr == "of the service (next try in 0 s)\n" * 2
    assert len(busy.authorizations) == 3


@pytest.mark.parametrize("retry_after", [None, "3600", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_service_that_is_busy_for_too_long_fails_the_picture(retry_after: str | None, busy: Busy) -> None:
    busy.statuses, busy.retry_after = [503], retry_after
    done = run_script("simple_request.py", "--url", busy.url)
    assert done.returncode == 1
    assert done.stderr.endswith("castle_image.jpg: of the service\n")
    assert len(busy.authorizations) == 1


@pytest.mark.parametrize("status", [400, 500, 504])
def test_an_answered_request_is_not_sent_again(status: int, busy: Busy) -> None:
    busy.statuses = [status]
    assert run_script("simple_request.py", "--url", busy.url).returncode == 1
    assert len(busy.authorizations) == 1


@pytest.mark.parametrize("status", [413, 502, 503])
def test_a_picture_that_a_load_balancer_refuses_keeps_no_other_from_being_sent(
    status: int, busy: Busy, tmp_path: Path
) -> None:
    pictures = [tmp_path / name for name in ("a.png", "b.png")]
    for path in pictures:
        path.write_bytes(picture())
    busy.statuses, busy.problem, busy.retry_after = [status], b"<html>", None
    done = run_script("simple_request.py", "--url", busy.url, *map(str, pictures))
    assert (done.returncode, done.stdout) == (1, f"{pictures[1]}:\n1. red: 1.0000\n")
    assert done.stderr == f"{pictures[0]}: HTTP status {status}, which is not from the service itself\n"


def test_a_name_that_is_not_utf_8_is_printed_in_an_escaped_form(busy: Busy, tmp_path: Path) -> None:
    for name in (b"a.png", b"b\xe4r.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(picture())
    # As in most languages; in C and C.UTF-8 it would be lenient.
    done = run_script("simple_request.py", "--url", busy.url, str(tmp_path), PYTHONIOENCODING="utf-8:strict")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path}/b\\udce4r.png:\n" in done.stdout


def test_without_retries_a_busy_service_fails_the_picture_at_once(busy: Busy) -> None:
    busy.statuses, busy.retry_after = [503], "1"
    assert run_script("simple_request.py", "--retry", "0", "--url", busy.url).returncode == 1


@pytest.mark.parametrize(("key", "problem"), [("", "requires an API key"), ("wrong", "does not know this API key")])
def test_where_a_key_is_required_the_client_names_its_own_option(key: str, problem: str, busy: Busy) -> None:
    busy.statuses = [401]
    done = run_script("simple_request.py", "--url", busy.url, API_KEY=key)
    assert done.returncode == 1
    assert f"the service {problem}; pass one with --api-key, or set API_KEY\n" in done.stderr


def test_loopback_goes_past_a_proxy(busy: Busy) -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    done = run_script("simple_request.py", "--url", busy.url, http_proxy=proxy, HTTP_PROXY=proxy, no_proxy="")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_machine_is_reached_through_the_proxy(busy: Busy) -> None:
    # The proxy is the stand-in, which answers whatever is asked of it.
    done = run_script("simple_request.py", "--url", "http://classifier.invalid:5000", http_proxy=busy.url, no_proxy="")
    assert (done.returncode, done.stdout) == (0, "1. red: 1.0000\n")


@pytest.mark.parametrize("answer", [b"[]", b"null", b'"ready"'])
def test_json_of_another_service_is_no_traceback(answer: bytes, busy: Busy) -> None:
    busy.ready = busy.answer = answer
    with Service(busy.url) as service:
        assert not service.is_ready(60)
        with pytest.raises(requests.RequestException, match="is not the picture classifier"):
            service.classify(b"x", 0)


@pytest.mark.parametrize("arguments", [["simple_request.py", "--wait", "1"], ["classify.py", ".", "--out", "no.csv"]])
def test_missing_certificates_are_named(arguments: list[str], busy: Busy) -> None:
    done = run_script(*arguments, "--url", f"https://127.0.0.1:{busy.server_port}", REQUESTS_CA_BUNDLE="/no/such.pem")
    assert done.returncode == 1
    assert done.stderr.endswith("Could not find a suitable TLS CA certificate bundle, invalid path: /no/such.pem\n")
