"""The settings: working defaults, errors of one line, and complete documentation."""

import re
import socket
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import settings as settings_module
from project import PROJECT_DIR
from settings import Settings, install_command, load_settings

DESCRIPTION = PROJECT_DIR / "docs" / "settings.md"


def test_every_setting_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)


@pytest.mark.parametrize(("name", "field"), Settings.model_fields.items())
def test_every_default_may_come_from_the_environment_as_text(
    name: str, field: FieldInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = field.default
    text = default.get_secret_value() if isinstance(default, SecretStr) else default
    monkeypatch.setenv(name.upper(), "" if text is None else str(text))
    assert getattr(Settings(_env_file=None), name) == default  # type: ignore[call-arg]


def test_gray_networks_can_be_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_CHANS", "1")
    assert load_settings().image_shape.channels == 1


def test_the_environment_overrides_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=6001\nIMAGE_QUEUE=from_file\nAPI_KEY=of_the_clients\n")
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
        ("MODEL", "efficientnet_lite"),
        ("MODEL", "keras:ResNet"),
        ("MODEL", "flowers.kera"),
        ("IMAGE_CHANS", "2"),
        ("IMAGE_CHANS", "gray"),
        ("PRECISION", "int4"),
        ("BATCH_SIZE", "0"),
        ("REQUEST_TIMEOUT_S", "-1"),
        ("REQUEST_TIMEOUT_S", "inf"),
        ("REQUEST_TIMEOUT_S", "1e12"),
        ("RESULT_TTL_S", "1000000000000000"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("REDIS_URL", "redis://127.0.0.1:port/0"),
        ("LOG_LEVEL", "loud"),
        ("RATE_LIMIT", "often"),
        ("RATE_LIMIT", "0/second"),
        ("RATE_LIMIT", "10/second;0/hour"),
        ("TRUSTED_HOSTS", "*"),
        ("TRUSTED_HOSTS", "*.example.com"),
        ("TRUSTED_HOSTS", "https://127.0.0.1"),
        ("TRUSTED_HOSTS", "localhost, Example.com"),
        ("TRUSTED_HOSTS", "localhost, example.com/predict"),
        ("TRUSTED_HOSTS", "a..b"),
        ("TRUSTED_HOSTS", "[::1]"),
        ("TRUSTED_HOSTS", " , "),
        ("SERVER_NAME", "web 1"),
        ("SERVER_NAME", "web\n1"),
        ("API_KEYS", " , "),
        ("REDIS_URL", "redis://127.0.0.1:6379/0?db=first"),
        ("REDIS_URL", "redis://127.0.0.1:6379/0?ssl_ca_certs=file"),
        ("REDIS_URL", "redis://127.0.0.1:6379/x"),
        ("REDIS_URL", "rediss://127.0.0.1:6379/1/2"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379"),
        ("REDIS_URL", "redis+sentinel:///mymaster"),
        ("REDIS_URL", "redis+sentinel://one:26379,:26379/mymaster"),
        ("REDIS_URL", "redis+sentinel://one:port/mymaster"),
        ("REDIS_URL", "redis+sentinel://one:26379/mymaster/first"),
        ("REDIS_URL", "redis+sentinel://one:26379/mymaster?ssl_ca_certs=file"),
        ("HEARTBEAT_TTL_S", "1"),
        ("BATCH_WAIT_MS", "5000"),
        ("CACHE_TTL_S", "-1"),
        ("CACHE_TTL_S", "99999999"),
    ],
)
def test_an_invalid_value_ends_the_program_with_one_line_that_names_the_setting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    message = str(stopped.value)
    assert message.startswith(f"wrong setting: {name}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BATCH_SIZE", "0", "Input should be 'auto' or greater than or equal to 1"),
        ("BATCH_SIZE", "x", "Input should be 'auto' or a valid integer, unable to parse string as an integer"),
        ("TOP_CLASSES", "0", "Input should be 'all' or greater than or equal to 1"),
        (
            "API_KEYS",
            "schlüssel",
            "may only have printable characters of ASCII, as other ones reach no server unchanged",
        ),
        ("RATE_LIMIT", "hunter2", "must be limits such as 10/second;1000/hour"),
    ],
)
def test_a_message_says_all_that_a_setting_may_be_and_never_what_it_was(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert str(stopped.value) == f"wrong setting: {name}: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("MODELL=x", "MODELL: there is no such setting, but .env has it; did you mean MODEL?"),
        ("web_proceses=x", "WEB_PROCESES: there is no such setting, but .env has it; did you mean WEB_PROCESSES?"),
        ("XYZ=x", "XYZ: there is no such setting, but .env has it; docs/settings.md lists them all"),
    ],
)
def test_an_unknown_name_in_the_env_file_is_refused_with_the_closest_match(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"{line}\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert str(stopped.value) == f"wrong setting: {message}"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_env_file_that_is_not_utf_8_is_refused_in_one_line(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("API_KEY=Löwenzahn\n", encoding=encoding)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert str(stopped.value) == ".env is not text in UTF-8; save it as UTF-8"


@pytest.mark.parametrize(
    "line", ['API_KEYS="secret,other', "API_KEYS='secret", "API_KEYS secret", "API_KEYS: secret", "API_KEYS", "=secret"]
)
def test_a_line_of_the_env_file_that_sets_nothing_is_refused_by_its_number_and_never_shown(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"# Ports\nPORT=6001\n\n{line}\nHOST=0.0.0.0\n")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert str(stopped.value) == ".env, line 4, is not of the form NAME=value; is a quote not closed?"


def test_an_env_file_may_have_comments_blank_lines_exports_quotes_and_the_marks_of_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["# comment", "", "  export PORT = 6001  # why", "HOST='::1'", 'KEY_PREFIX="a b" # c', "IMAGE_QUEUE=", "  "]
    (tmp_path / ".env").write_text("\ufeff" + "\r\n".join(lines), newline="")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    settings = load_settings()
    assert (settings.port, settings.host, settings.key_prefix) == (6001, "::1", "a b")


def test_unknown_names_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELL", "x")
    assert Settings(_env_file=None).model == "auto"  # type: ignore[call-arg]


@pytest.mark.parametrize("hosts", ["localhost, 127.0.0.1:5000,.example.com", "bücher.example", "xn--bcher-kva.example"])
def test_hosts_may_be_names_addresses_and_all_names_below_one(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_HOSTS", hosts)
    assert load_settings().trusted_hosts == hosts


def test_two_web_servers_on_one_host_have_different_names_in_the_log() -> None:
    first, second = (Settings(_env_file=None, port=port) for port in (5000, 5001))  # type: ignore[call-arg]
    assert first.name_of("web") == f"{socket.gethostname()}-web-5000"
    assert second.name_of("web") != first.name_of("web")
    assert Settings(_env_file=None, server_name="mine").name_of("web") == "mine"  # type: ignore[call-arg]


def test_packages_are_installed_with_the_pip_of_the_running_python() -> None:
    command = f"{sys.prefix}/bin/pip install -r requirements-int8.txt -c requirements-dev.lock"
    assert install_command("requirements-int8.txt") == command


def test_a_password_in_the_redis_url_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://user:hunter2@127.0.0.1:6379/0")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("REDIS_URL", "http://user:hunter2@127.0.0.1")
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert "hunter2" not in str(stopped.value)


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", DESCRIPTION.read_text(), re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    assert set(documented) == {name.upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = {"by model", "empty"} if default is None else {"empty"} if default == "" else {f"{default}"}
        assert documented[name.upper()] in shown, name


def test_the_env_file_is_read_from_the_folder_of_the_code() -> None:
    assert Settings.model_config["env_file"] == Path(settings_module.__file__).parent / ".env"


@pytest.mark.parametrize(
    ("changes", "crop"),
    [
        ({}, "center 0.875"),
        ({"model": "resnet50", "crop_pct": 1.0}, "center 1"),
        ({"model": "flowers.keras"}, "squash"),
        ({"model": "flowers.keras", "crop_mode": "center"}, "center 0.875"),
        ({"crop_mode": "squash"}, "squash"),
    ],
)
def test_the_networks_that_come_with_the_service_see_the_middle_and_others_the_whole(
    changes: dict[str, object], crop: str
) -> None:
    assert str(Settings(_env_file=None, **changes).crop) == crop  # type: ignore[call-arg, arg-type]
