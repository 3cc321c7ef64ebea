"""API keys and rate limits, with a real Redis that counts the requests."""

import io

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from settings import Settings
from tests.conftest import Client, MakeSettings, picture
from tests.support.stub_queue import StubQueue, stub_app
from tests.web.test_app import assert_problem
from tools.embedded_redis import free_port
from web.access import WRONG_KEYS_LIMIT
from web.request_counter import client_of


def http(settings: Settings) -> FlaskClient:
    return stub_app(settings, StubQueue()).test_client()


def post(http: FlaskClient, key: str | None = None, **options: object) -> TestResponse:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    data = {"image": (io.BytesIO(picture()), "picture.png")}
    return http.post("/predict", data=data, headers=headers | dict(options.pop("headers", {})), **options)  # type: ignore[call-overload]


def forwarded(http: FlaskClient, header: str, proxy: str) -> int:
    """Send a wrong key by a proxy and return the status."""
    environ = {"REMOTE_ADDR": proxy}
    return post(http, "wrong", headers={"X-Forwarded-For": header}, environ_base=environ).status_code


def wrong_key_clients(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.message == "api_key_wrong"]
    return [record.fields["client"] for record in records]  # type: ignore[attr-defined]


def test_without_api_keys_everybody_has_access(make_settings: MakeSettings) -> None:
    assert post(http(make_settings())).status_code == 200


def test_api_keys_may_stand_on_lines_as_in_a_file(make_settings: MakeSettings) -> None:
    client = http(make_settings(api_keys="first\nsecond\n"))
    assert [post(client, key).status_code for key in ("first", "second", "third")] == [200, 200, 401]


@pytest.mark.parametrize("key", ["first", "second"])
def test_each_of_the_api_keys_is_accepted(key: str, make_settings: MakeSettings) -> None:
    assert post(http(make_settings(api_keys="first, second")), key).status_code == 200


@pytest.mark.parametrize("key", [None, "", "wrong", "firs", "firstt", "first,second", "FIRST", "Bearer first", "ü"])
def test_any_other_key_is_rejected(key: str | None, make_settings: MakeSettings) -> None:
    response = post(http(make_settings(api_keys="first,second")), key)
    assert_problem(response, 401, "Authorization: Bearer KEY")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_case_insensitive(scheme: str, make_settings: MakeSettings) -> None:
    response = post(http(make_settings(api_keys="first")), headers={"Authorization": f"{scheme} first"})
    assert response.status_code == 200


def test_a_key_without_the_scheme_is_rejected(make_settings: MakeSettings) -> None:
    response = post(http(make_settings(api_keys="first")), headers={"Authorization": "first"})
    assert response.status_code == 401


def test_probes_need_no_key(make_settings: MakeSettings) -> None:
    assert http(make_settings(api_keys="first")).get("/readyz").status_code == 200


def test_a_key_is_never_logged(make_settings: MakeSettings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    client = http(make_settings(api_keys="hunter2"))
    post(client, "hunter2")
    post(client, "hunter3")
    assert "hunter" not in caplog.text + repr([vars(record) for record in caplog.records])


def test_a_client_over_the_limit_is_told_when_to_try_again(make_settings: MakeSettings) -> None:
    client = http(make_settings(rate_limit="3/hour"))
    assert [post(client).status_code for _ in range(3)] == [200] * 3
    response = post(client)
    assert_problem(response, 429, "3 per 1 hour")
    assert 1 <= int(response.headers["Retry-After"]) <= 3600


def test_web_servers_share_the_limit_and_each_client_has_its_own(make_settings: MakeSettings) -> None:
    first, second = (http(make_settings(rate_limit="2/hour", api_keys="a,b")) for _ in range(2))
    assert [post(first, "a").status_code, post(second, "a").status_code] == [200, 200]
    assert [post(first, "a").status_code, post(second, "a").status_code] == [429, 429]
    assert post(first, "b").status_code == 200


def test_each_of_several_limits_is_enforced(make_settings: MakeSettings) -> None:
    client = http(make_settings(rate_limit="100/second;2/hour"))
    assert [post(client).status_code for _ in range(3)] == [200, 200, 429]


def test_a_key_is_not_written_to_redis(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(rate_limit="2/hour", api_keys="hunter2", key_prefix="keyed:")
    assert post(http(settings), "hunter2").status_code == 200
    assert client.keys("keyed:*")
    assert client.keys("*hunter2*") == []


def test_x_forwarded_for_is_used_only_behind_a_trusted_proxy(make_settings: MakeSettings) -> None:
    for proxies, last in ((0, 429), (1, 200)):
        settings = make_settings(rate_limit="1/hour", trusted_proxies=proxies, key_prefix=f"proxies{proxies}:")
        client = http(settings)
        assert post(client, headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200
        assert post(client, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == last


@pytest.mark.parametrize(
    ("claimed", "proxies"),
    [('", 192.0.2.1', 1), ('"a\\, 192.0.2.1', 1), ("192.0.2.9, 192.0.2.1", 1), ('", 192.0.2.1, 198.51.100.1', 2)],
)
def test_whatever_a_client_claims_it_is_logged_and_limited_under_the_address_that_a_trusted_proxy_saw(
    claimed: str, proxies: int, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    client = http(make_settings(api_keys="right", trusted_proxies=proxies))
    statuses = {forwarded(client, claimed, f"10.0.0.{number}") for number in range(WRONG_KEYS_LIMIT.amount)}
    assert statuses == {401}
    assert forwarded(client, claimed, "10.0.0.99") == 429
    assert set(wrong_key_clients(caplog)) == {"192.0.2.1"}


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:{}", "192.0.2.1"),
        ("2001:db8::{}", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:{}", "2001:db8::/64"),
    ],
)
def test_the_connections_of_a_client_are_one_client_also_where_a_proxy_names_their_ports(
    address: str, logged: str, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    client = http(make_settings(api_keys="right", trusted_proxies=1))
    statuses = [forwarded(client, address.format(5001 + n), "10.0.0.1") for n in range(WRONG_KEYS_LIMIT.amount + 1)]
    assert statuses == [401] * WRONG_KEYS_LIMIT.amount + [429]
    assert set(wrong_key_clients(caplog)) == {logged}


@pytest.mark.parametrize(
    "header", ["", "unknown", "192.0.2.1", "a, 192.0.2.1", ", 192.0.2.1", "[, 192.0.2.1", ":, 192.0.2.1"]
)
def test_without_an_address_from_each_trusted_proxy_the_connections_own_counts(
    header: str, make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    client = http(make_settings(api_keys="right", trusted_proxies=2))
    assert forwarded(client, header, "10.0.0.1") == 401
    assert set(wrong_key_clients(caplog)) == {"10.0.0.1"}


def test_counters_have_the_key_prefix_and_expire(make_settings: MakeSettings, client: Client) -> None:
    settings = make_settings(rate_limit="2/minute", key_prefix="counted:")
    post(http(settings))
    (key,) = client.keys("*127.0.0.1*2/1/minute*")
    assert key.startswith("counted:")
    assert 0 < client.ttl(key) <= 120


def test_rate_limiting_without_redis_is_a_503(make_settings: MakeSettings) -> None:
    settings = make_settings(rate_limit="2/minute", redis_url=f"redis://127.0.0.1:{free_port()}/0")
    assert_problem(post(http(settings)), 503, "out of reach")


def from_address(http: FlaskClient, address: str, key: str | None = None) -> int:
    return post(http, key, environ_base={"REMOTE_ADDR": address}).status_code


def test_wrong_keys_of_an_address_are_limited_across_web_servers_without_a_rate_limit(
    make_settings: MakeSettings,
) -> None:
    servers = [http(make_settings(api_keys="right")) for _ in range(2)]
    statuses = [post(servers[number % 2], f"wrong{number}").status_code for number in range(WRONG_KEYS_LIMIT.amount)]
    assert statuses == [401] * WRONG_KEYS_LIMIT.amount
    response = post(servers[0], "wrong")
    assert_problem(response, 429, "Too many wrong API keys")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert post(servers[1], "wrong").status_code == 429


def test_a_right_key_passes_from_an_address_that_sends_wrong_ones(make_settings: MakeSettings) -> None:
    client = http(make_settings(api_keys="right"))
    while post(client, "wrong").status_code == 401:
        pass
    assert post(client, "right").status_code == 200


def test_wrong_keys_of_one_address_do_not_count_for_another(make_settings: MakeSettings) -> None:
    client = http(make_settings(api_keys="right"))
    while from_address(client, "192.0.2.1", "wrong") == 401:
        pass
    assert from_address(client, "192.0.2.2", "wrong") == 401


def test_requests_without_a_key_are_not_counted_as_wrong_ones(make_settings: MakeSettings) -> None:
    client = http(make_settings(api_keys="right"))
    assert {post(client).status_code for _ in range(2 * WRONG_KEYS_LIMIT.amount)} == {401}
    assert post(client, "wrong").status_code == 401


def test_without_redis_a_wrong_key_stays_wrong_and_a_right_one_right(make_settings: MakeSettings) -> None:
    client = http(make_settings(api_keys="right", redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    assert {post(client, "wrong").status_code for _ in range(2 * WRONG_KEYS_LIMIT.amount)} == {401}
    assert post(client, "right").status_code == 200


def test_a_wrong_key_is_logged_with_its_address_as_often_as_it_is_counted(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    client = http(make_settings(api_keys="right"))
    for _ in range(2 * WRONG_KEYS_LIMIT.amount):
        from_address(client, "192.0.2.1", "wrong")
    assert wrong_key_clients(caplog) == ["192.0.2.1"] * WRONG_KEYS_LIMIT.amount


def test_an_ipv6_network_is_one_client(make_settings: MakeSettings) -> None:
    client = http(make_settings(rate_limit="2/hour", api_keys=""))
    addresses = ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:1::3", "2001:db8:0:2::1"]
    assert [from_address(client, address) for address in addresses] == [200, 200, 429, 200]
    client = http(make_settings(api_keys="right"))
    statuses = [from_address(client, f"2001:db8::{number}", "wrong") for number in range(WRONG_KEYS_LIMIT.amount + 1)]
    assert statuses == [401] * WRONG_KEYS_LIMIT.amount + [429]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:a:b:c:d", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_is_counted_under_its_network(address: str, name: str) -> None:
    assert client_of(address) == name
