"""Sockets that listen, and their way from one process to another."""

import errno
import os
import socket
import subprocess
import sys

import pytest

from listener import OFFER_VARIABLE, listen, offered, take_offered
from project import PROJECT_DIR


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_listens_is_nobody_elses(host: str) -> None:
    with listen(host, 0) as listener, pytest.raises(OSError, match="in use") as raised:
        listen(host, listener.getsockname()[1])
    assert raised.value.errno == errno.EADDRINUSE


def test_another_process_answers_what_has_connected_before_it_came() -> None:
    code = """
from listener import take_offered
connection, _ = take_offered().accept()
connection.sendall(b"from the other process")
"""
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    with socket.create_connection(address) as client, offered(listener) as offer:
        subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, env=os.environ | offer, check=True)
        assert client.makefile().read() == "from the other process"
        # Nobody listens any more, as that process has ended.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_an_offer_that_nobody_takes_ends_with_its_block() -> None:
    listener = listen("127.0.0.1", 0)
    address = listener.getsockname()
    with offered(listener):
        pass
    listen(*address).close()


def test_without_an_offer_there_is_none_and_a_past_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OFFER_VARIABLE, raising=False)
    assert take_offered() is None
    with offered(listen("127.0.0.1", 0)) as offer:
        monkeypatch.setenv(OFFER_VARIABLE, offer[OFFER_VARIABLE])
    with pytest.raises(OSError, match="No such file"):
        take_offered()
    assert OFFER_VARIABLE not in os.environ
