"""What the clients' command lines share: where the service is, and checks of their values."""

import argparse
import ipaddress
import math
import os
import sys
from urllib.parse import urlsplit

from dotenv import dotenv_values
from urllib3.util import parse_url

from project import PROJECT_DIR, VERSION, reading_env_file

DEFAULT_IMAGE = PROJECT_DIR / "castle_image.jpg"
HIGHEST_PORT = 65535
# The system counts a socket's time in milliseconds, up to 2**31.
LONGEST_TIMEOUT_S = 2_000_000
# A server that listens on all addresses is reached at this one.
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nosec B104


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all clients have; their defaults come from the environment and `.env`."""
    variables = _variables()
    port = variables.get("PORT") or "5000"
    if not (port.isdecimal() and 1 <= int(port) <= HIGHEST_PORT):
        sys.exit(f"wrong setting: PORT: must be a number between 1 and {HIGHEST_PORT}")
    url = service_url(variables.get("HOST") or "127.0.0.1", port)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--url", type=base_url, default=url, help="of the service (default: %(default)s)")
    key = variables.get("API_KEY") or None
    parser.add_argument("--api-key", type=api_key, default=key, help="where one is required (default: $API_KEY)")


def _variables() -> dict[str, str | None]:
    env_file = PROJECT_DIR / ".env"
    with reading_env_file(env_file):
        in_file = dotenv_values(env_file)
    # An empty one counts as not set, as in the servers.
    in_environment = {name: value for name, value in os.environ.items() if value}
    return {name.upper(): value for name, value in in_file.items()} | in_environment


def service_url(host: str, port: int | str) -> str:
    """Return the address of a service on this machine that listens there."""
    host = _REACHABLE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def base_url(text: str) -> str:
    """Check the address of a service; its last slash and `/predict` are not needed."""
    if "@" in text:  # and so perhaps a password, which must not be shown
        raise argparse.ArgumentTypeError(
            "must not contain a name or a password (@); --api-key is for the service's key"
        )
    try:
        # As urllib3 does it later, when its errors would end the program.
        address = parse_url(text)
        valid = address.scheme in ("http", "https") and address.port != 0 and (address.host or "").encode("idna")
    except ValueError:
        valid = False
    if not valid:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://127.0.0.1:5000")
    if address.query is not None or address.fragment is not None:
        raise argparse.ArgumentTypeError("must not contain a query or a fragment (? or #)")
    return address.url.rstrip("/").removesuffix("/predict").rstrip("/")


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine, and so not behind any proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def api_key(text: str) -> str:
    """Check that a header can hold the key; otherwise the libraries would complain, and show it."""
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise argparse.ArgumentTypeError("contains characters that a key cannot have")
    return text


def file_name(text: str) -> str:
    """Check a name; an empty one would stand for the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("a name is empty; is a variable not set?")
    return text


def positive(text: str) -> float:
    """Check a number above zero."""
    if not 0 < (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: must be positive")
    return number


def timeout(text: str) -> float:
    """Check a time in seconds for which a socket can wait."""
    if (seconds := positive(text)) > LONGEST_TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"{text!r}: must be at most {LONGEST_TIMEOUT_S:,} s")
    return seconds


def non_negative(text: str) -> float:
    """Check a number that is not below zero."""
    if not 0 <= (number := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: must not be negative")
    return number


def positive_count(text: str) -> int:
    """Check a whole number above zero."""
    number = positive(text)
    if number != int(number):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number")
    return int(number)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
