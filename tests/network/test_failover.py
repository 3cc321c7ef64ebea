"""Hosts that are cut off silently, with a Redis that fails over, two web servers and nginx.

`pytest --log-cli-level INFO` shows what is measured.
"""

import time
from concurrent.futures import Future

import pytest
from requests import Response

from benchmarks.networked_redis import RedisHost
from benchmarks.services import wait_until
from benchmarks.tally import Tally
from tests.conftest import COLOURS
from tests.support.clients import label
from tests.support.failover_network import FailoverService, url_of
from tests.support.measurements import PROMISE_S, cut_for, record, seconds_since

# Not every machine that runs tests lets them make network interfaces.
pytestmark = pytest.mark.may_skip_in_ci

# From when Sentinel has elected a master with a replica.
BACK_WITHIN_S = 5
SPLIT_S = 6
# By nginx, as set in deploy/compose.yaml.
NOTICED_WITHIN_S = 8


def wait_for_another_master(service: FailoverService, old: RedisHost, *tallies: Tally) -> None:
    """Wait until there is one that takes jobs, for which it needs a replica; until then there is an outage."""

    def is_there() -> bool:
        for tally in tallies:
            tally.outages.record()
        new = service.redis.master()
        return bool(new is not old and new.server.info("replication").get("min_slaves_good_slaves"))

    wait_until(is_there)


def slowest_s(futures: list["Future[Response]"]) -> float:
    return max(future.result().elapsed.total_seconds() for future in futures)


def test_when_the_host_of_the_master_is_cut_off_requests_in_hand_are_answered_and_new_ones_soon_after_the_election(
    failover_service: FailoverService,
) -> None:
    service = failover_service
    old = service.redis.master()
    futures = service.in_hand(*COLOURS)
    service.network.isolate(old.host)
    cut = time.monotonic()
    with service.load(service.url) as tally:
        tally.outages.record()  # until the refusal
        refused = service.post("red")
        wait_for_another_master(service, old, tally)
        record("master elected after, s", seconds_since(cut))
        tally.expect_recovery()
        assert [label(future.result()) for future in futures] == list(COLOURS)
        wait_until(lambda: tally.slowest_recovery_s)
        correct = tally.correct
        wait_until(lambda: tally.correct > correct + 10)
        service.network.heal()
        healed = time.monotonic()
        wait_until(service.redis.is_complete)
        record("the old master a replica after, s", seconds_since(healed))
    record("first refusal after, s", refused.elapsed.total_seconds())
    record("in hand, slowest answer, s", slowest_s(futures))
    record("first answer after the election, s", tally.slowest_recovery_s)
    record("requests, refused", (tally.total, tally.refused.total()))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert refused.elapsed.total_seconds() < PROMISE_S
    assert tally.slowest_recovery_s < BACK_WITHIN_S
    assert (tally.wrong, tally.lost) == ({}, {})
    assert service.keys_without_expiry() == []


def test_a_web_server_and_a_worker_alone_with_the_old_master_refuse_or_answer_later_and_nothing_is_wrong_or_lost(
    failover_service: FailoverService,
) -> None:
    service = failover_service
    old = service.redis.master()
    few, many = service.web_servers
    replicas = [each.host for each in service.redis.hosts if each is not old]
    futures = service.in_hand(*COLOURS, url=url_of(few))
    service.network.split([old.host, few, service.workers[0]], [*replicas, many, service.workers[1]])
    with service.load(url_of(many)) as tally, service.load(url_of(few)) as tally_of_few:
        wait_for_another_master(service, old, tally, tally_of_few)
        tally.expect_recovery()
        cut_for(SPLIT_S, tally_of_few)
        refused = service.post("red", url_of(few))
        assert service.post("red", url_of(many)).status_code == 200
        tally_of_few.outages.record()
        tally_of_few.expect_recovery()
        service.network.heal()
        healed = time.monotonic()
        assert [label(future.result()) for future in futures] == list(COLOURS)
        record("in hand, answered after healing, s", seconds_since(healed))
        wait_until(lambda: tally_of_few.slowest_recovery_s)
        wait_until(service.redis.is_complete)
        record("the old master a replica after, s", seconds_since(healed))
    record("refusal of the minority after, s", refused.elapsed.total_seconds())
    record("majority's first answer after the election, s", tally.slowest_recovery_s)
    record("minority's first answer after healing, s", tally_of_few.slowest_recovery_s)
    record("majority's requests, refused", (tally.total, tally.refused.total()))
    record("minority's requests, refused", (tally_of_few.total, tally_of_few.refused.total()))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert max(tally.slowest_recovery_s, tally_of_few.slowest_recovery_s) < BACK_WITHIN_S
    assert (tally.wrong, tally.lost) == ({}, {})
    assert (tally_of_few.wrong, tally_of_few.lost) == ({}, {})
    assert service.keys_without_expiry() == []


def test_when_the_host_of_a_web_server_is_cut_off_the_other_one_answers_clients_of_nginx_also_those_in_hand(
    failover_service: FailoverService,
) -> None:
    service = failover_service
    futures = service.in_hand(*COLOURS)
    service.network.isolate(service.web_servers[0])
    with service.load(service.url) as tally:
        assert [label(future.result()) for future in futures] == list(COLOURS)
    record("in hand, slowest answer, s", slowest_s(futures))
    record("new requests, slowest answer, s", (tally.total, tally.slowest_answer_s))
    assert slowest_s(futures) < NOTICED_WITHIN_S + BACK_WITHIN_S
    assert (tally.wrong, tally.lost) == ({}, {})
    assert tally.slowest_answer_s < BACK_WITHIN_S
