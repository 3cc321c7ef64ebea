"""Runs the machine's nginx with `deploy/nginx.conf`, on other addresses."""

import getpass
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from project import PROJECT_DIR

CONFIGURATION = PROJECT_DIR / "deploy" / "nginx.conf"


def find_nginx() -> str | None:
    """Return the program; it is often in a folder for administrators only."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def nginx_command(
    nginx_path: str, folder: Path, address: str, web_servers: Sequence[str], changes: Mapping[str, str] | None = None
) -> list[str]:
    """Return what runs nginx in front of two web servers.

    Args:
        nginx_path: the program.
        folder: for the configuration, the logs and temporary files.
        address: where it listens, as `host:port`.
        web_servers: the addresses of both.
        changes: what else is replaced in the configuration, and by what.

    Raises:
        ValueError: the configuration has nothing to replace.
    """
    text = CONFIGURATION.read_text()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    places = {
        "/var/log/nginx": str(folder),
        "listen 8080;": f"listen {address};",
        "web-1:5000": web_servers[0],
        "web-2:5000": web_servers[1],
        "http {": f"http {{\n{temporary}",
    }
    for old, new in {**places, **(changes or {})}.items():
        if old not in text:
            raise ValueError(f"{CONFIGURATION} has no {old!r}.")
        text = text.replace(old, new)
    config = folder / "nginx.conf"
    config.write_text(text)
    user = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
    return [nginx_path, "-p", str(folder), "-c", str(config), "-g", f"{user}daemon off; pid {folder}/nginx.pid;"]
