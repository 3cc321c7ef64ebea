"""What a connection promises on which commands are sent several at a time."""

from collections.abc import Callable

import pytest
import redis

from embedded_redis import embedded_redis
from redis_line import Line
from settings import Settings
from tests.conftest import Client, MakeSettings

Break = Callable[[Line, str], object]


@pytest.fixture
def text(settings: Settings, client: Client) -> str:
    """The key of a text, which is no list."""
    key = f"{settings.key_prefix}text"
    client.set(key, "text")
    return key


@pytest.mark.parametrize(
    "refused",
    [
        lambda line, _: line.call(("SUBSCRIBE",)),
        lambda line, _: line.call(("SUBSCRIBE", "channel"), ("NONSENSE",), ("PING",)),
        lambda line, text: line.call(("MULTI",), ("LPUSH", text, "x"), ("PING",), ("EXEC",)),
        lambda line, _: line.call(("MULTI",), ("NONSENSE",), ("EXEC",)),
    ],
)
def test_what_redis_refuses_is_raised_and_does_not_shift_later_replies(
    refused: Break, text: str, settings: Settings
) -> None:
    line = Line(settings)
    with pytest.raises(redis.ResponseError):
        refused(line, text)
    assert line.call(("ECHO", "mine")) == b"mine"


def test_what_is_refused_of_commands_that_nobody_waits_for_harms_no_other(text: str, settings: Settings) -> None:
    line = Line(settings)
    line.send(("UNSUBSCRIBE", "channel"), ("LPUSH", text, "x"))
    assert line.call(("ECHO", "mine")) == b"mine"


def test_messages_between_replies_are_passed_over(settings: Settings) -> None:
    line = Line(settings)
    line.call(("SUBSCRIBE", "channel"))
    assert line.call(("PUBLISH", "channel", "to myself"), ("ECHO", "mine")) == b"mine"


def test_a_server_that_has_become_a_replica_is_left(make_settings: MakeSettings) -> None:
    with embedded_redis() as url, redis.Redis.from_url(url) as client:
        line = Line(make_settings(redis_url=url))
        before = line.call(("CLIENT", "ID"))
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(redis.ReadOnlyError):
            line.call(("SET", "key", "value"))
        assert line.call(("CLIENT", "ID")) != before
