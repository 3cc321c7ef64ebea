"""The settings: defaults that work, one line for a wrong value, and a README that lists them all."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

import settings as settings_module
from settings import Settings, load_settings

README = Path(__file__).parent.parent / "README.md"


def test_without_any_setting_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=6001\nIMAGE_QUEUE=from_file\nSOMETHING_ELSE=1\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    monkeypatch.setenv("PORT", "6002")
    settings = load_settings()
    assert (settings.port, settings.image_queue) == (6002, "from_file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "five"),
        ("ENGINE", "torch"),
        ("PRECISION", "int4"),
        ("BATCH_SIZE", "0"),
        ("REQUEST_TIMEOUT_S", "-1"),
        ("REQUEST_TIMEOUT_S", "inf"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:port/0"),
        ("LOG_LEVEL", "loud"),
        ("RATE_LIMIT", "often"),
        ("API_KEYS", " , "),
        ("REDIS_URL", "redis://127.0.0.1:6379/0?db=first"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0?ssl_ca_certs=file"),
        ("HEARTBEAT_TTL_S", "1"),
        ("BATCH_WAIT_MS", "5000"),
        ("CACHE_TTL_S", "-1"),
        ("CACHE_TTL_S", "99999999"),
    ],
)
def test_a_wrong_value_ends_the_program_with_one_line_that_names_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    message = str(stopped.value)
    assert message.startswith(f"wrong setting: {name}: ")
    assert "\n" not in message


def test_a_password_in_the_redis_url_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://user:hunter2@127.0.0.1:6379/0")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("REDIS_URL", "http://user:hunter2@127.0.0.1")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert "hunter2" not in str(stopped.value)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", README.read_text(), re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    assert set(documented) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = {"by model", "empty"} if default is None else {"empty"} if default == "" else {f"{default}"}
        assert documented[name.upper()] in shown, name


def test_the_env_file_is_looked_for_beside_the_code() -> None:
    assert Settings.model_config["env_file"] == Path(settings_module.__file__).parent / ".env"
