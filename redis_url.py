"""Reads and checks the address of a Redis, or of one that fails over.

The latter is `redis+sentinel://` or, with TLS, `rediss+sentinel://`, which no library reads.
"""

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import redis
from redis.connection import parse_url

SCHEMES = ("redis+sentinel://", "rediss+sentinel://")
# https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
DEFAULT_PORT = 26379
# The service sets all others itself. A health check would PING between the commands and replies of a pipeline.
OPTIONS = ("ssl_...", "db", "client_name")

Address = tuple[str, int]


@dataclass(frozen=True)
class SentinelUrl:
    """What such a URL says.

    Attributes:
        sentinels: where the Sentinels are.
        service: under which name they watch the master.
        server_url: everything about the Redis servers apart from their host, as `redis://` or `rediss://`.
    """

    sentinels: tuple[Address, ...]
    service: str
    server_url: str

    @property
    def tls(self) -> bool:
        """Servers and Sentinels speak TLS."""
        return self.server_url.startswith("rediss://")

    @property
    def options(self) -> dict[str, Any]:
        """The same as arguments of redis-py's connections: user, password, database and the query's options."""
        options: dict[str, Any] = parse_url(self.server_url)  # type: ignore[no-untyped-call]
        return {name: value for name, value in options.items() if name not in ("host", "connection_class")}


def check_redis_url(url: str) -> None:
    """Refuse an address that no Redis client accepts, or takes for another one.

    Raises:
        ValueError: it is one. No part of the URL is quoted, since it may hold a password.
    """
    if is_sentinel_url(url):
        url = parse_sentinel_url(url).server_url
    if not url.startswith(("redis://", "rediss://")):
        schemes = "redis:// or, for TLS, rediss://; with Sentinel redis+sentinel:// or rediss+sentinel://"
        raise ValueError(f"must begin with {schemes}")
    try:
        _check_options(url)
        connection: Any = redis.ConnectionPool.from_url(url).make_connection()
        _check_host(connection.host)
    except (ValueError, TypeError, redis.RedisError):
        # From None, since the message may contain a part of the URL.
        raise ValueError(f"its host, port, database or options are invalid; options are {', '.join(OPTIONS)}") from None
    # redis-py makes 0 of /x, and 12 of /1/2.
    if not re.fullmatch("/?[0-9]*", urlsplit(url).path):
        raise ValueError("the database after the host must be a number: redis://host:6379/0")


def is_sentinel_url(url: str) -> bool:
    """Tell whether a URL names Sentinels instead of a server."""
    return url.startswith(SCHEMES)


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Read `redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/db][?options]`.

    Raises:
        ValueError: a part is missing or invalid. No part of the URL is quoted, since it may hold a password.
    """
    scheme, _, rest = url.partition("://")
    netloc = re.split("[/?#]", rest, maxsplit=1)[0]
    credentials, at, hosts = netloc.rpartition("@")
    try:
        # With one host, since urlsplit takes several with an IPv6 address among them for a malformed one.
        parts = urlsplit(f"{scheme}://{credentials}{at}master{rest.removeprefix(netloc)}")
    except ValueError:
        # From None here and below, since the message may quote a part of the URL.
        raise ValueError("[ and ] are for IPv6 addresses; in a password, write %5B and %5D") from None
    service, _, database = parts.path.removeprefix("/").partition("/")
    if not service:
        raise ValueError("the service that the Sentinels watch is missing: host:26379,host:26379/SERVICE")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("the database after the service must be a number: host:26379,host:26379/service/0")
    server = parts._replace(scheme=parts.scheme.removesuffix("+sentinel"), path=f"/{database}")
    return SentinelUrl(tuple(_address(host) for host in hosts.split(",")), unquote(service), urlunsplit(server))


def _address(text: str) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, DEFAULT_PORT if parts.port is None else parts.port
        _check_host(host or "")
    except ValueError:
        host, port = None, 0
    if not host or not port:
        raise ValueError("each Sentinel must be host or host:port, with commas between them") from None
    return host, port


def _check_options(url: str) -> None:
    """Raise ValueError for options that would break the service, or that no connection accepts."""
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if not name.startswith("ssl_") and name not in OPTIONS:
            raise ValueError
        if name == "ssl_min_version":
            ssl.TLSVersion(int(value))


def _check_host(host: str) -> None:
    """Raise ValueError for what cannot be looked up."""
    host.encode("idna")
