"""The URL of a Redis that fails over."""

import pytest

from redis_url import check_redis_url, parse_sentinel_url


def test_a_url_names_the_sentinels_the_service_and_how_to_log_in_to_the_servers() -> None:
    url = parse_sentinel_url("rediss+sentinel://me:p%40ss@one:26380,two,[::1]:5/my%20master/3?ssl_ca_certs=ca.pem")
    assert url.sentinels == (("one", 26380), ("two", 26379), ("::1", 5))
    assert url.service == "my master"
    assert url.tls
    assert url.options == {"username": "me", "password": "p@ss", "db": 3, "ssl_ca_certs": "ca.pem"}


def test_a_url_may_do_without_credentials_and_database() -> None:
    url = parse_sentinel_url("redis+sentinel://one/mymaster")
    assert (url.sentinels, url.service, url.tls, url.options) == ((("one", 26379),), "mymaster", False, {})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://me:hunter2@one:26379", "the service"),
        ("redis+sentinel://me:hunter2@one:26379//0", "the service"),
        ("redis+sentinel://me:hunter2@/mymaster", "each Sentinel"),
        ("redis+sentinel://me:hunter2@one,,two/mymaster", "each Sentinel"),
        ("redis+sentinel://me:hunter2@one:hunter2/mymaster", "each Sentinel"),
        ("redis+sentinel://me:hunter2@one:99999/mymaster", "each Sentinel"),
        ("redis+sentinel://me:hunter2@one/mymaster/hunter2", "the database"),
        ("redis+sentinel://me:[hunter2]@one/mymaster", "IPv6"),
        ("redis+sentinel://me:hunter2[@one/mymaster", "IPv6"),
    ],
)
def test_a_bad_url_is_refused_with_what_is_wrong_and_without_its_secrets(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_sentinel_url(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hunter2@one/0?socket_timeout=1",
        "redis://me:hunter2@one/0?decode_responses=True",
        "redis://me:hunter2@one/0?protocol=2",
        "redis+sentinel://me:hunter2@one/mymaster?protocol=2",
        "redis://me:hunter2@one/0?health_check_interval=5",
        "rediss://me:hunter2@one/0?ssl_cert_reqs=perhaps",
        "rediss://me:hunter2@one/0?ssl_min_version=5",
        "redis://me:hunter2@one..two/0",
    ],
)
def test_options_and_hosts_that_would_break_the_service_are_refused_without_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="options are ssl_") as refused:
        check_redis_url(url)
    assert "hunter2" not in str(refused.value)


def test_other_options_are_left_to_the_connection() -> None:
    check_redis_url("rediss://one/0?ssl_ca_certs=ca.pem&ssl_min_version=771&client_name=me")
