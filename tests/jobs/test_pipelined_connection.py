"""The pipelined connection: errors and messages never shift the replies of later commands."""

from collections.abc import Callable

import pytest
import redis

from jobs.connection import connect
from jobs.pipelined_connection import PipelinedConnection
from settings import Settings
from tests.conftest import Client, MakeSettings
from tools.embedded_redis import embedded_redis

RefusedCall = Callable[[PipelinedConnection, str], object]


@pytest.fixture
def string_key(settings: Settings, client: Client) -> str:
    """A key that holds a string, so that Redis refuses list commands for it."""
    key = f"{settings.key_prefix}string"
    client.set(key, "string")
    return key


@pytest.mark.parametrize(
    "refused",
    [
        lambda connection, _: connection.call(("SUBSCRIBE",)),
        lambda connection, _: connection.call(("SUBSCRIBE", "channel"), ("NONSENSE",), ("PING",)),
        lambda connection, string_key: connection.call(("MULTI",), ("LPUSH", string_key, "x"), ("PING",), ("EXEC",)),
        lambda connection, _: connection.call(("MULTI",), ("NONSENSE",), ("EXEC",)),
    ],
)
def test_a_refused_command_raises_and_does_not_shift_later_replies(
    refused: RefusedCall, string_key: str, settings: Settings
) -> None:
    connection = PipelinedConnection(connect(settings, protocol=3))
    with pytest.raises(redis.ResponseError):
        refused(connection, string_key)
    assert connection.call(("ECHO", "mine")) == b"mine"


def test_errors_of_commands_whose_replies_are_discarded_do_not_affect_later_calls(
    string_key: str, settings: Settings
) -> None:
    connection = PipelinedConnection(connect(settings, protocol=3))
    connection.send(("UNSUBSCRIBE", "channel"), ("LPUSH", string_key, "x"))
    assert connection.call(("ECHO", "mine")) == b"mine"


def test_messages_between_replies_are_skipped(settings: Settings) -> None:
    connection = PipelinedConnection(connect(settings, protocol=3))
    connection.call(("SUBSCRIBE", "channel"))
    assert connection.call(("PUBLISH", "channel", "to myself"), ("ECHO", "mine")) == b"mine"


def test_a_connection_to_a_server_that_became_a_replica_is_replaced(make_settings: MakeSettings) -> None:
    with embedded_redis() as url, redis.Redis.from_url(url) as client:
        connection = PipelinedConnection(connect(make_settings(redis_url=url), protocol=3))
        before = connection.call(("CLIENT", "ID"))
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(redis.ReadOnlyError):
            connection.call(("SET", "key", "value"))
        assert connection.call(("CLIENT", "ID")) != before
