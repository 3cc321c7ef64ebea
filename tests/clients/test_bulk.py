"""A whole run over a folder, and a service made by hand that does not answer to each picture."""

import csv
import itertools
import threading
from pathlib import Path

import pytest

from clients.bulk import Bulk
from clients.classification import Classification
from clients.connections import Connections
from clients.pace import Pace
from clients.picture_queue import TRIES
from clients.service import Service
from clients.table import Existing, Table
from tests.support.busy_service import Busy
from tools.embedded_redis import free_port

BAD = b"nobody answers to this"


pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture(autouse=True)
def _no_answer_to_bad(busy: Busy) -> None:
    busy.status_of = {BAD: 502}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with ten pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.jpg").write_bytes(b"%d" % number)
    return folder


def run(url: str, photos: Path, threads: int = 1, give_up_s: float = 60) -> Bulk:
    connections, pace = Connections(url, threads, 60), Pace(threads, give_up_s)
    table = Table(photos.parent / "t.csv", Existing.OVERWRITE)
    with table, Service(url) as service:
        classification = Classification(connections, pace)
        bulk = Bulk([str(photos)], table, classification, pace, lambda: service.is_ready(60))
        bulk.start(threads)
        while bulk.is_running:
            bulk.join(60)
    connections.close()
    return bulk


def statuses(photos: Path) -> dict[str, str]:
    with (photos.parent / "t.csv").open(newline="") as file:
        return {Path(row["path"]).stem: row["status"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("bad", ["0", "5", "9"])
def test_a_picture_to_which_nobody_answers_fails_after_some_tries_and_holds_up_no_other(
    bad: str, threads: int, busy: Busy, photos: Path
) -> None:
    (photos / f"{bad}.jpg").write_bytes(BAD)
    bulk = run(busy.url, photos, threads)
    assert (bulk.classified, bulk.to_repeat, bulk.fatal) == (9, 1, None)
    assert statuses(photos) == {str(number): "200" for number in range(10)} | {bad: "502"}
    assert busy.bodies.count(BAD) == TRIES


def test_several_such_pictures_fail_also_where_nothing_else_is_left(busy: Busy, photos: Path) -> None:
    for path in photos.iterdir():
        path.write_bytes(BAD)
    bulk = run(busy.url, photos)
    assert (bulk.to_repeat, bulk.fatal) == (10, None)
    assert len(busy.bodies) == 10 * TRIES


def test_while_no_picture_is_answered_and_the_service_is_not_ready_none_fails(busy: Busy, photos: Path) -> None:
    busy.statuses, busy.ready = [502] * 100, b'{"ready": false}'
    bulk = run(busy.url, photos)
    assert (bulk.classified, bulk.to_repeat, bulk.fatal) == (10, 0, None)
    assert len(busy.bodies) == 110


def test_a_service_that_stays_away_ends_the_run_after_its_time(photos: Path) -> None:
    bulk = run(f"http://127.0.0.1:{free_port()}", photos, give_up_s=0.2)
    assert bulk.finished == 0
    assert bulk.fatal is not None
    assert bulk.fatal.endswith("no answer: connection refused")


def test_where_the_system_has_no_more_threads_the_run_ends_and_says_so(
    busy: Busy, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def start_few(thread: threading.Thread) -> None:
        if "_guarded" in str(thread) and next(numbers) == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    numbers = itertools.count()
    monkeypatch.setattr(threading.Thread, "start", start_few)
    bulk = run(busy.url, photos, threads=50)
    assert bulk.fatal == "The system has no room for 50 threads; choose a lower --concurrency"
