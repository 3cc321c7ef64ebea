"""Cross-origin requests as the standard describes them, and no header without CORS_ORIGINS."""

import pytest
from flask.testing import FlaskClient

from settings import Settings, load_settings
from tests.conftest import MakeSettings, picture
from tests.support.stub_queue import StubQueue, form, stub_app

ORIGIN = "https://app.example.com"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


def client(settings: Settings) -> FlaskClient:
    return stub_app(settings, StubQueue()).test_client()


def test_without_the_setting_no_page_of_another_origin_gets_anything(settings: Settings) -> None:
    for response in (
        client(settings).post("/predict", data=form(picture()), headers={"Origin": ORIGIN}),
        client(settings).options("/predict", headers=PREFLIGHT),
    ):
        assert not [name for name in response.headers.to_wsgi_list() if name[0].startswith("Access-Control")]
        assert "Vary" not in response.headers


@pytest.mark.parametrize(("origins", "allowed"), [(f"https://other.com, {ORIGIN}", ORIGIN), ("*", "*")])
def test_answers_and_errors_are_given_to_pages_of_these_origins(
    origins: str, allowed: str, make_settings: MakeSettings
) -> None:
    http = client(make_settings(cors_origins=origins))
    for body, status in ((form(picture()), 200), ({}, 400)):
        response = http.post("/predict", data=body, headers={"Origin": ORIGIN})
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == allowed
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
        assert ("Origin" in response.vary) == (allowed != "*")


@pytest.mark.parametrize("origin", ["https://evil.com", "http://app.example.com", f"{ORIGIN}.evil.com", "null"])
def test_other_origins_get_nothing_but_caches_are_told_that_it_depends(
    origin: str, make_settings: MakeSettings
) -> None:
    http = client(make_settings(cors_origins=ORIGIN))
    response = http.options("/predict", headers=PREFLIGHT | {"Origin": origin})
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.vary


def test_a_preflight_needs_no_key_and_allows_what_clients_send(make_settings: MakeSettings) -> None:
    response = client(make_settings(cors_origins=ORIGIN, api_keys="secret")).options("/predict", headers=PREFLIGHT)
    assert response.status_code == 200
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert response.headers["Access-Control-Max-Age"] == "7200"


@pytest.mark.parametrize("value", ["example.com", "https://example.com/", "https://Example.com", "https://a.com b"])
def test_what_no_browser_sends_as_an_origin_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)
    with pytest.raises(SystemExit, match=r"^wrong setting: CORS_ORIGINS: each must be"):
        load_settings()
