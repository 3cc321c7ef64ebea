"""Where the clients look for the service, and which pictures they send."""

import argparse
import socket
from pathlib import Path

import pytest

from clients import options
from clients.options import add_common_options, base_url, is_loopback, service_url, timeout
from clients.picture_files import find_pictures


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a `.env` of its own, and an environment that says nothing."""
    monkeypatch.setattr(options, "PROJECT_DIR", tmp_path)
    for name in ("HOST", "PORT", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    return parser.parse_args(arguments)


def test_by_default_the_service_is_on_this_machine() -> None:
    assert (parsed().url, parsed().api_key) == ("http://127.0.0.1:5000", None)


def test_the_env_file_tells_where_the_service_is_and_its_key(project: Path) -> None:
    (project / ".env").write_text("PORT=6001\nHOST=0.0.0.0\nAPI_KEY=secret\n")
    assert (parsed().url, parsed().api_key) == ("http://127.0.0.1:6001", "secret")


def test_the_environment_wins_over_the_env_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("PORT=6001\n")
    monkeypatch.setenv("PORT", "6002")
    assert parsed().url == "http://127.0.0.1:6002"


def test_an_empty_variable_of_the_environment_counts_as_not_set(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("PORT=6001\nAPI_KEY=secret\n")
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("API_KEY", "")
    assert (parsed().url, parsed().api_key) == ("http://127.0.0.1:6001", "secret")


def test_the_command_line_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "6002")
    monkeypatch.setenv("API_KEY", "from the environment")
    args = parsed("--url", "https://classifier.example", "--api-key", "given")
    assert (args.url, args.api_key) == ("https://classifier.example", "given")


@pytest.mark.parametrize("port", ["five", "5000x", "0", "70000"])
def test_a_wrong_port_is_named(port: str, project: Path) -> None:
    (project / ".env").write_text(f"PORT={port}\n")
    with pytest.raises(SystemExit) as stopped:
        parsed()
    assert str(stopped.value) == "wrong setting: PORT: must be a number between 1 and 65535"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_env_file_that_is_not_utf_8_is_refused_in_one_line(encoding: str, project: Path) -> None:
    (project / ".env").write_text("API_KEY=Löwenzahn\n", encoding=encoding)
    with pytest.raises(SystemExit) as stopped:
        parsed()
    assert str(stopped.value) == ".env is not text in UTF-8; save it as UTF-8"


def test_an_env_file_that_cannot_be_read_is_refused_in_one_line(project: Path) -> None:
    (project / ".env").symlink_to("/proc/self/mem")
    with pytest.raises(SystemExit) as stopped:
        parsed()
    assert str(stopped.value) == ".env cannot be read: Input/output error"


def test_a_line_of_the_env_file_that_sets_nothing_is_refused(project: Path) -> None:
    (project / ".env").write_text("PORT=6001\nAPI_KEY='secret\n")
    with pytest.raises(SystemExit) as stopped:
        parsed()
    assert str(stopped.value) == ".env, line 2, is not of the form NAME=value; is a quote not closed?"


@pytest.mark.parametrize("ending", ["", "/", "/predict", "/predict/"])
def test_an_address_is_understood_with_and_without_its_path(ending: str) -> None:
    assert base_url(f"http://127.0.0.1:5000{ending}") == "http://127.0.0.1:5000"
    assert base_url(f"https://example.org/classifier{ending}") == "https://example.org/classifier"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:5000",
        "ftp://localhost",
        "http://",
        "http://host:99999",
        "http://a..b:5000",
        f"http://{'a' * 64}",
        "http://ex ample.com",
        "http://%zz",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not an address"):
        base_url(text)


def test_an_address_in_other_letters_is_written_as_connections_need_it() -> None:
    assert base_url("http://bücher.example/a b/ü") == "http://xn--bcher-kva.example/a%20b/%C3%BC"


@pytest.mark.parametrize("ending", ["?a=b", "/?", "/predict#a"])
def test_an_address_with_a_query_or_a_fragment_is_refused(ending: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must not contain a query or a fragment"):
        base_url(f"http://host{ending}")


@pytest.mark.parametrize(
    "url", ["http://me:secret@host", "http://me:secret@host:x", "http://me:se/cret@host", "me:secret@host"]
)
def test_an_address_with_a_password_is_refused_without_showing_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--url", url)
    shown = capsys.readouterr().err
    assert "argument --url: must not contain a name or a password" in shown
    assert "cret" not in shown


def test_a_time_for_which_no_socket_can_wait_is_refused() -> None:
    with socket.socket() as waiting:
        waiting.settimeout(timeout("2e6"))
    with pytest.raises(argparse.ArgumentTypeError, match="'1e10': must be at most 2,000,000 s"):
        timeout("1e10")


def test_a_host_of_ipv6_stands_in_brackets() -> None:
    assert service_url("::", 5000) == "http://[::1]:5000"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://127.1.2.3", True),
        ("http://[::1]:5000", True),
        ("http://localhost", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_loopback_is_told_from_other_addresses(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def test_folders_are_searched_with_all_that_is_in_them(tmp_path: Path) -> None:
    names = ["b.jpg", "a/c.PNG", "a/deep/er/d.webp", "a/notes.txt", ".hidden/e.jpg", "a/.f.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [Path(name).relative_to(tmp_path).as_posix() for name in find_pictures([str(tmp_path)])]
    assert found == ["a/c.PNG", "a/deep/er/d.webp", "b.jpg"]


def test_a_subfolder_that_cannot_be_read_is_an_error(tmp_path: Path, refused_folder: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(OSError, match=f"Permission denied: '{refused_folder}'"):
        find_pictures([str(tmp_path)])


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no pictures"):
        find_pictures([str(tmp_path)])
