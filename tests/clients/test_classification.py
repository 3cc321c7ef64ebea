"""One picture is sent until there is an answer to it, or none can be expected; the service is made by hand."""

import os
from pathlib import Path

import pytest

from clients import pace as pace_module
from clients.classification import Classification, Unanswered
from clients.connections import Connections, environment_proxy
from clients.pace import GaveUp, Pace
from clients.picture_upload import Picture
from clients.rows import Row
from clients.walk import Found
from tests.support.busy_service import Busy

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 1000)
    return path


def classify(url: str, path: Path) -> Row | Unanswered | None:
    connections = Connections(url, 1, 60)
    try:
        return Classification(connections, Pace(4, 60)).classify(Picture.of(Found(str(path))))
    finally:
        connections.close()


def test_a_busy_service_is_asked_again_however_often(busy: Busy, file: Path) -> None:
    busy.statuses = [429, 503] * 5
    row = classify(busy.url, file)
    assert isinstance(row, Row)
    assert (row.path, row.bytes, row.status, row.problem) == (str(file), 1000, 200, None)
    assert row.predictions[0]["label"] == "red"
    assert len(busy.authorizations) == 11


@pytest.mark.parametrize("status", [408, 502, 504])
def test_a_picture_to_which_nobody_answered_lets_others_go_first(status: int, busy: Busy, file: Path) -> None:
    busy.statuses = [status]
    result = classify(busy.url, file)
    assert isinstance(result, Unanswered)
    assert (result.row.status, result.row.problem) == (status, "of the service")
    assert result.wait_s == pace_module.FIRST_WAIT_S


@pytest.mark.parametrize("status", [400, 411, 413, 415, 500])
def test_an_answer_about_the_picture_is_its_row(status: int, busy: Busy, file: Path) -> None:
    busy.statuses = [status]
    row = classify(busy.url, file)
    assert isinstance(row, Row)
    assert (row.status, row.problem, row.is_refused) == (status, "of the service", status in (400, 413, 415))
    assert len(busy.authorizations) == 1


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 407, 421])
def test_an_answer_that_every_picture_would_get_ends_the_run(status: int, busy: Busy, file: Path) -> None:
    busy.statuses = [status]
    with pytest.raises(GaveUp, match=r"API key|elsewhere|refuses|proxy|TRUSTED_HOSTS|not the picture classifier"):
        classify(busy.url, file)


def test_a_redirect_ends_the_run_and_says_where_it_leads(busy: Busy, file: Path) -> None:
    busy.moved_to = "https://classifier.invalid"
    with pytest.raises(GaveUp, match=r"; pass https://classifier\.invalid with --url$"):
        classify(busy.url, file)


@pytest.mark.parametrize("predictions", [b"[]", b"[1]", b'"abc"', b'{"a": 1}', b"null"])
def test_an_answer_of_another_form_is_none(predictions: bytes, busy: Busy, file: Path) -> None:
    busy.answer = b'{"predictions": %b}' % predictions
    result = classify(busy.url, file)
    assert isinstance(result, Unanswered)
    assert result.row.problem == "the answer is not the picture classifier's"


def test_a_file_that_vanishes_or_shrinks_costs_one_row(busy: Busy, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture.of(Found(str(file)))
    connections = Connections(busy.url, 1, 60)
    classification = Classification(connections, Pace(4, 60))
    sizes = os.fstat
    monkeypatch.setattr(
        "clients.picture_upload.os.fstat", lambda number: os.stat_result([*sizes(number)[:6], 2000, 0, 0, 0])
    )
    row = classification.classify(picture)
    assert isinstance(row, Row)
    assert (row.status, row.problem) == (None, "It became shorter while it was sent")
    monkeypatch.undo()
    again = classification.classify(picture)
    assert isinstance(again, Row)
    assert again.is_good
    file.unlink()
    gone = classification.classify(picture)
    connections.close()
    assert isinstance(gone, Row)
    assert gone.problem == "No such file or directory"


def test_exactly_the_files_bytes_are_sent_however_many(busy: Busy, tmp_path: Path) -> None:
    content = os.urandom(3 * 2**20 + 1)
    path = tmp_path / "large.jpg"
    path.write_bytes(content)
    row = classify(busy.url, path)
    assert isinstance(row, Row)
    assert row.is_good
    assert busy.bodies == [content]


def test_another_machine_is_reached_through_the_environments_proxy(
    busy: Busy, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", busy.url)
    monkeypatch.setenv("no_proxy", "")
    assert environment_proxy("http://127.0.0.1:5000") is None
    url = "http://classifier.invalid:5000"
    connections = Connections(url, 1, 60, proxy=environment_proxy(url))
    row = Classification(connections, Pace(4, 60)).classify(Picture.of(Found(str(file))))
    connections.close()
    assert isinstance(row, Row)
    assert row.is_good


def test_of_a_file_that_grows_no_more_is_sent_than_was_promised(
    busy: Busy, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.picture_upload.os.fstat", lambda _: os.stat_result([0] * 6 + [400, 0, 0, 0]))
    row = classify(busy.url, file)
    assert isinstance(row, Row)
    assert row.is_good
    assert busy.bodies == [b"x" * 400]


def test_the_api_key_is_sent(busy: Busy, file: Path) -> None:
    connections = Connections(busy.url, 1, 60, api_key="secret")
    Classification(connections, Pace(4, 60)).classify(Picture.of(Found(str(file))))
    connections.close()
    assert busy.authorizations == ["Bearer secret"]


def test_a_file_that_is_too_large_or_none_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as large:
        large.truncate(100 * 2**20 + 1)
    assert Picture.of(Found(str(path))).row.problem == "It has more than 100 MiB and was not sent"
    assert Picture.of(Found("/dev/null")).row.problem == "This is not a file"
