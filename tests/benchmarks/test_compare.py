"""What `make compare` does for longer and with peers: rounds, faults and tables, with a network that costs nothing."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench.networks_measured import COSTLESS, RESNET50, measured_network
from benchmarks.bench.part import CASTLE
from benchmarks.compare.cases import CASTLE_NAME, PHOTOGRAPH_NAME, Case, cases
from benchmarks.compare.faults import kill_repeatedly, send_broken
from benchmarks.compare.our_service import OurService, OurServiceWithTwoWorkers
from benchmarks.compare.plot import save_plot
from benchmarks.compare.rounds import Rounds
from benchmarks.compare.summary import medians, rows, served_table

PNG = b"\x89PNG\r\n\x1a\n"


def entry(contender: str, images_per_s: float, **changes: Any) -> dict[str, Any]:
    case = {"network": RESNET50, "precision": "float32", "picture": CASTLE_NAME, "clients": 8}
    figures = {"images_per_s": images_per_s, "p50_ms": 1000 / images_per_s, "p99_ms": 50.0, "cpu_ms": 10.0}
    return case | figures | {"contender": contender, "failures": {}} | changes


def test_a_round_measures_each_load_and_its_processor_time(tmp_path: Path) -> None:
    loads = [(CASTLE_NAME, 1), (CASTLE_NAME, 2)]
    pictures = {CASTLE_NAME: CASTLE.read_bytes()}
    rounds = Rounds([OurService], [Case(COSTLESS, "float32", loads)], pictures, 0.5, tmp_path / "cache", tmp_path)
    for step in rounds.steps(1):
        step.run()
    assert [(each["contender"], each["clients"]) for each in rounds.served] == [
        (OurService.name, 1),
        (OurService.name, 2),
    ]
    assert all(each["cpu_ms"] > 0 and each["failures"] == {} for each in rounds.served)
    assert rounds.failed == []


def test_a_killed_worker_is_replaced_and_broken_uploads_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.compare.faults.KILL_INTERVAL_S", 0.5)
    network, picture = measured_network(COSTLESS, tmp_path / "cache"), CASTLE.read_bytes()
    with OurServiceWithTwoWorkers(network, "float32", picture, tmp_path) as service:
        statuses = [value[0] for name, value in send_broken(service).items() if name != "contender"]
        killed = kill_repeatedly(service, picture, 0.8)
    assert statuses == ["400", "400", "400", "413", "413"]
    assert killed["kills"] == 1
    assert killed["failed"] == {}
    assert killed["answered"] > 0
    assert killed["alive"]


def test_float32_is_a_case_of_its_own_only_where_the_default_differs() -> None:
    assert [(case.network, case.precision) for case in cases([1, 8], has_bfloat16=True)] == [
        (RESNET50, "default"),
        (RESNET50, "float32"),
        (COSTLESS, "float32"),
    ]
    assert [(case.network, case.precision) for case in cases([1, 8], has_bfloat16=False)] == [
        (RESNET50, "float32"),
        (COSTLESS, "float32"),
    ]


def test_targets_compare_with_the_best_peer_and_with_what_runs_alone() -> None:
    served = [entry(OurService.name, rate) for rate in (80, 90, 100)] + [entry("slow", 45), entry("fast", 100)]
    served += [entry(OurService.name, 30, picture=PHOTOGRAPH_NAME), entry("slow", 10, picture=PHOTOGRAPH_NAME)]
    bare = [{"precision": "float32", "images_per_s": 100.0, "decode_ms": 4.0}]
    found = {row.what: row for row in rows(medians(served), bare, cores=2)}
    against_peer = found["resnet50, float32, castle, 8 clients: images/s / best peer's"]
    assert against_peer.reached == pytest.approx(0.9)
    assert not against_peer.good
    # 10 ms for the network and 4 ms of one of two cores for decoding.
    alone = found["resnet50, float32, castle, 8 clients: served / bare network and decoding"]
    assert alone.reached == pytest.approx(90 * 0.012)
    assert alone.good
    assert found["resnet50, float32, 9 megapixels, 8 clients: images/s / best peer's"].good


def test_the_table_lists_the_best_first_and_the_plot_is_a_picture(tmp_path: Path) -> None:
    found = medians([entry("slow", 45, failures={"503": 2}), entry("fast", 100)])
    lines = served_table(found).splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["fast", "slow"]
    assert lines[-1].split()[-1] == "2"
    save_plot(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(PNG)
