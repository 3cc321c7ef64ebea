"""What tests need of the machine's nginx."""

import re
from pathlib import Path

import pytest

from benchmarks.nginx import find_nginx
from project import PROJECT_DIR

COMPOSE_FILE = PROJECT_DIR / "deploy" / "compose.yaml"


def installed_nginx() -> str:
    """Return its path, or skip the test."""
    path = find_nginx()
    if not path:
        pytest.skip("there is no nginx; apt-get install nginx-light")
    return path


def set_keepalive() -> None:
    """Set the network namespace of this thread as `deploy/compose.yaml` sets that of nginx."""
    values = re.findall(r"net\.ipv4\.(tcp_keepalive_\w+): (\d+)", COMPOSE_FILE.read_text())
    assert len(values) == 3
    for name, value in values:
        Path("/proc/sys/net/ipv4", name).write_text(value)
