"""The machine's nginx with `deploy/nginx.conf`."""

import getpass
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.cells import find_nginx
from project import PROJECT_DIR

CONFIGURATION = PROJECT_DIR / "deploy" / "nginx.conf"
COMPOSE_FILE = PROJECT_DIR / "deploy" / "compose.yaml"


def installed_nginx() -> str:
    """Return its path, or skip the test."""
    path = find_nginx()
    if not path:
        pytest.skip("there is no nginx; apt-get install nginx-light")
    return path


def nginx_command(nginx_path: str, folder: Path, address: str, web_servers: Sequence[str]) -> list[str]:
    """Return what runs `deploy/nginx.conf` with other addresses, and with its files in a folder."""
    text = CONFIGURATION.read_text()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    for old, new in [
        ("/var/log/nginx", str(folder)),
        ("listen 8080;", f"listen {address};"),
        ("web-1:5000", web_servers[0]),
        ("web-2:5000", web_servers[1]),
        ("http {", f"http {{\n{temporary}"),
    ]:
        assert text.count(old) > 0, old
        text = text.replace(old, new)
    config = folder / "nginx.conf"
    config.write_text(text)
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
    return [nginx_path, "-p", str(folder), "-c", str(config), "-g", f"{user}daemon off; pid {folder}/nginx.pid;"]


def set_keepalive() -> None:
    """Set the network namespace of this thread as `deploy/compose.yaml` sets that of nginx."""
    values = re.findall(r"net\.ipv4\.(tcp_keepalive_\w+): (\d+)", COMPOSE_FILE.read_text())
    assert len(values) == 3
    for name, value in values:
        Path("/proc/sys/net/ipv4", name).write_text(value)
