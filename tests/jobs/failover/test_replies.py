"""What a server says that is not the master any more, not yet, or without replicas: the connection leaves it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from benchmarks.redis_parts import RedisServer
from benchmarks.replicated_redis import ReplicatedRedis
from benchmarks.services import wait_until
from jobs.connection import connect
from jobs.consumer import JobConsumer
from jobs.master_connection import NotTheMaster
from jobs.pipelined_connection import PipelinedConnection
from jobs.protocol import Keys
from settings import Settings
from tests.jobs.failover.conftest import demoted, take_writes_without_replicas

WRITE = "return redis.call('SET', KEYS[1], 'x')"


@pytest.fixture
def master(fleet: ReplicatedRedis) -> RedisServer:
    take_writes_without_replicas(fleet)
    return fleet.live_master()


@pytest.fixture
def client(fleet: ReplicatedRedis, settings: Settings) -> Iterator[redis.Redis]:
    """A client that has been connected."""
    with connect(settings) as client:
        client.ping()
        yield client


@pytest.fixture
def pipelined(fleet: ReplicatedRedis, settings: Settings) -> Iterator[PipelinedConnection]:
    """A pipelined connection that has been used."""
    connection = PipelinedConnection(connect(settings, protocol=3))
    connection.call(("PING",))
    yield connection
    connection.close()


def test_a_demoted_master_refuses_a_transaction_and_the_next_one_goes_on(
    master: RedisServer, pipelined: PipelinedConnection, keys: Keys
) -> None:
    transaction = ("MULTI",), ("RPUSH", keys.queue, "x"), ("EXEC",)
    with demoted(master), pytest.raises(NotTheMaster, match="read only replica"):
        pipelined.call(*transaction)
    assert pipelined.call(*transaction) == [1]


def test_a_demoted_master_refuses_a_script_and_the_next_one_goes_on(
    master: RedisServer, client: redis.Redis, pipelined: PipelinedConnection, keys: Keys
) -> None:
    with demoted(master):
        with pytest.raises(NotTheMaster, match="read only replica"):
            client.eval(WRITE, 1, keys.queue)
        with pytest.raises(NotTheMaster, match="read only replica"):
            pipelined.call(("MULTI",), ("EVAL", WRITE, 1, keys.queue), ("EXEC",))
    assert client.eval(WRITE, 1, keys.queue)
    assert pipelined.call(("MULTI",), ("EVAL", WRITE, 1, keys.queue), ("EXEC",))


def test_a_pipeline_of_a_client_leaves_a_demoted_master(master: RedisServer, client: redis.Redis, keys: Keys) -> None:
    with client.pipeline() as pipeline:
        pipeline.set(keys.queue, "x")
        with demoted(master), pytest.raises(NotTheMaster):
            pipeline.execute()
        pipeline.set(keys.queue, "x")
        assert pipeline.execute() == [True]


def test_a_worker_that_waits_for_jobs_is_told_of_the_demotion_and_leaves(
    master: RedisServer, settings: Settings
) -> None:
    consumer = JobConsumer(settings, "w1", "m")
    assert consumer.take(1) == []
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(consumer.take, 1)
        wait_until(lambda: master.client.info("clients")["blocked_clients"])
        with demoted(master), pytest.raises(NotTheMaster, match="UNBLOCKED"):
            taking.result()
    assert consumer.take(1) == []


def test_a_replica_without_its_master_is_left(master: RedisServer, client: redis.Redis, keys: Keys) -> None:
    master.client.config_set("replica-serve-stale-data", "no")
    try:
        with demoted(master), pytest.raises(NotTheMaster, match="Link with MASTER is down"):
            client.get(keys.queue)
    finally:
        master.client.config_set("replica-serve-stale-data", "yes")
    assert client.get(keys.queue) is None


def test_a_master_without_enough_replicas_is_left(
    master: RedisServer, client: redis.Redis, pipelined: PipelinedConnection, keys: Keys
) -> None:
    master.client.config_set("min-replicas-to-write", 3)
    with pytest.raises(NotTheMaster, match="NOREPLICAS"):
        client.set(keys.queue, "x")
    with pytest.raises(NotTheMaster, match="NOREPLICAS"):
        pipelined.call(("MULTI",), ("RPUSH", keys.queue, "x"), ("EXEC",))
    master.client.config_set("min-replicas-to-write", 0)
    assert pipelined.call(("MULTI",), ("RPUSH", keys.queue, "x"), ("EXEC",)) == [1]


def test_other_errors_keep_the_connection(master: RedisServer, client: redis.Redis, keys: Keys) -> None:
    client.set(keys.queue, "x")
    before = client.client_id()
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        client.lpop(keys.queue)
    assert client.client_id() == before


def test_a_master_that_is_still_loading_is_asked_again_until_it_has_loaded(
    fleet: ReplicatedRedis, master: RedisServer, client: redis.Redis, pipelined: PipelinedConnection, keys: Keys
) -> None:
    for sentinel in fleet.sentinels:  # or they would elect another
        sentinel.kill()
    client.mset({f"{keys.queue}:{number}": bytes(2000) for number in range(200)})
    master.client.save()
    master.kill()
    # In microseconds for each key; clients are answered once in so many bytes.
    master.start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    errors: set[type[Exception]] = set()

    def loaded() -> bool:
        try:
            return bool(pipelined.call(("EXISTS", f"{keys.queue}:0")) and client.exists(f"{keys.queue}:199"))
        except redis.ConnectionError as error:
            errors.add(type(error))
            return False

    wait_until(loaded, timeout_s=20)
    assert redis.BusyLoadingError in errors
    master.kill()
