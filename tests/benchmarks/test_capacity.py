"""The plan for a rate: how many machines and cells, and what limits them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.capacity import Load, main, plan
from benchmarks.capacity_costs import MEASURED, Costs
from benchmarks.capacity_measure import measure
from benchmarks.fleet import Fleet

# At 70 %, a core of Redis is enough for 700 pictures/s, one of a web server for 70 and one of a worker for 35.
ROUND = Costs("", "", 10, 2, 1, 200_000, 200_000, 16, 1)
LOAD = Load(rate=100, network_ms=18)


def test_machines_are_counted_at_seventy_per_cent() -> None:
    found = plan(replace(LOAD, rate=560), ROUND)
    assert (found.cells, found.web_machines, found.worker_machines, found.gpus) == (1, 1, 2, 0)
    found = plan(replace(LOAD, rate=561), ROUND)
    assert (found.cells, found.web_machines, found.worker_machines) == (1, 2, 3)


def test_a_second_cell_begins_where_the_core_of_redis_ends() -> None:
    assert [plan(replace(LOAD, rate=rate), ROUND).cells for rate in (700, 701, 1400, 1401)] == [1, 2, 2, 3]
    assert plan(LOAD, ROUND).limit == "core"


def test_every_replica_needs_the_network_card_once_more() -> None:
    slow = replace(LOAD, card_gbit=1)
    limits = [plan(replace(slow, replicas=replicas), ROUND).limits["network card"] for replicas in (0, 1, 2)]
    assert limits == [pytest.approx(437.5 / share) for share in (1, 2, 3)]
    assert plan(slow, ROUND).limit == "network card"


def test_long_waits_need_connections() -> None:
    waiting = plan(replace(LOAD, latency_ms=30_000), ROUND)
    assert waiting.redis_connections == 3000 + 3
    assert waiting.limit == "connections"
    assert plan(replace(LOAD, rate=334, latency_ms=30_000), ROUND).cells == 2


def test_gpus_take_the_networks_time_from_the_cores() -> None:
    found = plan(replace(LOAD, rate=700, gpu_rate=500), ROUND)
    assert (found.gpus, found.worker_machines) == (2, 1)


def test_machines_and_gpus_are_those_of_each_cell() -> None:
    found = plan(replace(LOAD, rate=7000, gpu_rate=600), ROUND)
    assert (found.cells, found.web_machines, found.worker_machines, found.gpus) == (10, 2, 1, 2)


def test_the_command_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--rate", "10000", "--gpu", "900"])
    out = capsys.readouterr().out
    assert out.startswith("10,000 pictures/s")
    assert "with 2 GPUs of 900 pictures/s" in out
    assert MEASURED.date in out


def test_a_rate_that_is_not_positive_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--rate", "0"])


def test_the_costs_of_a_picture_are_measured(tmp_path: Path, colour_network: dict[str, object]) -> None:
    with Fleet(tmp_path, 1, 1, **colour_network) as fleet:
        costs = measure(fleet, requests=20, counted_requests=5)
    assert costs.redis_bytes_in == pytest.approx(MEASURED.redis_bytes_in, rel=0.05)
    assert costs.redis_commands == pytest.approx(MEASURED.redis_commands, rel=0.2)
    assert 1 <= costs.connections <= 2.5
    assert 0 < costs.redis_ms < costs.web_ms
