"""Links that are cut or slow: packets vanish, nothing is closed, and nobody is told.

`pytest --log-cli-level INFO` shows what is measured.
"""

import time
from contextlib import ExitStack

import pytest

from benchmarks.load import running_clients
from benchmarks.services import wait_until
from benchmarks.tally import Outages, Tally
from jobs.hang_detector import REPLY_TIMEOUT_S, connect_impatiently
from tests.conftest import COLOURS
from tests.support.clients import label
from tests.support.measurements import PROMISE_S, cut_for, has_recovered, record, seconds_since
from tests.support.network import SLOW_WORKER, NetworkedService

# Not every machine that runs tests lets them make network interfaces.
pytestmark = pytest.mark.may_skip_in_ci

CUT_S = 10
# So many pictures that some still wait when the last one has come.
MANY = ["blue", "green"] * 4


def test_the_job_of_a_worker_whose_link_is_cut_is_done_by_another(service: NetworkedService) -> None:
    (future,) = service.posting("blue")
    worker = service.busy_worker()
    service.network.isolate(service.workers[worker])
    assert label(future.result()) == "blue"
    record("answered after, s", future.result().elapsed.total_seconds())
    service.network.heal()
    healed = time.monotonic()
    wait_until(lambda: service.workers_alive() == 2)
    record("worker back after, s", seconds_since(healed))


def test_jobs_that_redis_sends_to_an_idle_worker_whose_link_is_cut_are_done_by_another(
    service: NetworkedService,
) -> None:
    service.network.isolate(next(iter(service.workers.values())))
    futures = service.posting("blue", "red", "green")
    assert [label(future.result()) for future in futures] == ["blue", "red", "green"]
    record("answered after, s", max(future.result().elapsed.total_seconds() for future in futures))


def test_while_no_worker_reaches_redis_new_requests_are_refused_and_those_in_hand_answered_afterwards(
    service: NetworkedService,
) -> None:
    for host in service.workers.values():
        service.network.disturb(host, service.redis, loss=1)
    cut = time.monotonic()
    (future,) = service.posting("blue")
    wait_until(lambda: not service.workers_last_seen_since(service.settings.worker_grace_s))
    refused = service.post("red")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    record("new requests refused after, s", seconds_since(cut))
    service.network.heal()
    healed = time.monotonic()
    assert label(future.result()) == "blue"
    record("answered after healing, s", seconds_since(healed))


def test_while_the_web_server_does_not_reach_redis_new_requests_are_refused_and_those_in_hand_answered_afterwards(
    service: NetworkedService,
) -> None:
    futures = service.posting_until_in_hand(*MANY)
    service.network.disturb(service.web, service.redis, loss=1)
    for number in ("first", "second"):
        refused = service.post("red")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.elapsed.total_seconds() < PROMISE_S
        record(f"{number} refusal after, s", refused.elapsed.total_seconds())
    service.network.heal()
    healed = time.monotonic()
    assert [label(future.result()) for future in futures] == MANY
    wait_until(lambda: service.post("red").status_code == 200)
    record("back after, s", seconds_since(healed))


def test_a_cut_of_redis_from_everybody_loses_nothing_and_leaves_nothing_behind(service: NetworkedService) -> None:
    tally = Tally(Outages())
    with ExitStack() as clients:
        service.client.call(clients.enter_context, running_clients(lambda: [service.url], tally, seed=1))
        wait_until(lambda: tally.correct > 5)
        service.network.isolate(service.redis)
        cut_for(CUT_S, tally)
        service.network.heal()
        tally.expect_recovery()
        wait_until(lambda: has_recovered(tally))
        before = tally.correct
        wait_until(lambda: tally.correct > before + 10)
    assert (tally.wrong, tally.lost) == ({}, {})
    assert tally.refused
    record("requests", tally.total)
    record("refused", tally.refused.total())
    record("first answer after healing, s", tally.slowest_recovery_s)
    assert service.keys_without_expiry() == []


def test_on_a_slow_network_that_loses_packets_every_request_is_answered(service: NetworkedService) -> None:
    for host in (service.client, *service.workers.values()):
        service.network.disturb(host, service.web, delay_s=0.025, loss=0.05)
        service.network.disturb(host, service.redis, delay_s=0.025, loss=0.05)
    service.network.disturb(service.web, service.redis, delay_s=0.025, loss=0.05)
    futures = service.posting(*COLOURS)
    assert [label(future.result()) for future in futures] == list(COLOURS)
    slowest_s = max(future.result().elapsed.total_seconds() for future in futures)
    record("slowest answer, s", slowest_s)
    assert slowest_s < PROMISE_S + len(COLOURS) * SLOW_WORKER["TEST_DELAY_S"]


def test_the_loss_of_the_first_packet_of_a_connection_is_no_hang(service: NetworkedService) -> None:
    with service.client.call(connect_impatiently, service.settings) as client:
        service.network.lose_next(service.client, service.redis)
        assert service.client.call(client.ping)


def test_when_a_firewall_forgets_all_connections_of_the_web_server_at_most_one_new_request_waits_in_vain(
    service: NetworkedService,
) -> None:
    # As many idle connections.
    assert [label(future.result()) for future in service.posting(*COLOURS)] == list(COLOURS)
    futures = service.posting_until_in_hand(*MANY)
    service.network.forget_connections(service.web, service.redis)
    assert [label(future.result()) for future in futures] == MANY
    record("in hand, slowest answer, s", max(each.result().elapsed.total_seconds() for each in futures))
    responses = []

    def is_answered() -> bool:
        responses.append(service.post("red"))
        return responses[-1].status_code == 200

    # On a busy machine Redis seems to hang for a moment, in which requests are refused at once.
    wait_until(is_answered)
    responses += [service.post("red") for _ in COLOURS]
    record("new requests", [each.status_code for each in responses])
    refused = [each for each in responses if each.status_code != 200]
    assert [each.elapsed.total_seconds() > REPLY_TIMEOUT_S / 2 for each in refused].count(True) <= 1


def test_when_a_firewall_forgets_all_connections_of_the_workers_the_next_request_is_answered(
    service: NetworkedService,
) -> None:
    for host in service.workers.values():
        service.network.forget_connections(host, service.redis)
    response = service.post("blue")
    assert label(response) == "blue"
    record("answered after, s", response.elapsed.total_seconds())
