"""The command line of all peers, and what they hand to the processes that they start."""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

# Two of the peers construct what they serve in processes of their own, without arguments.
_NETWORK = "PEER_NETWORK"
_PRECISION = "PEER_PRECISION"


class Arguments(NamedTuple):
    """What to serve, and where."""

    port: int
    network: Path
    precision: str


def parse_arguments() -> Arguments:
    """Read the command line, and leave it in the environment for `inherited_network`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--network", type=Path, required=True, help=".xml of an OpenVINO network")
    parser.add_argument("--precision", choices=("default", "float32"), default="default")
    given = parser.parse_args()
    os.environ[_NETWORK] = str(given.network.absolute())
    os.environ[_PRECISION] = given.precision
    return Arguments(given.port, given.network.absolute(), given.precision)


def inherited_network() -> tuple[Path, str]:
    """Return the network's path and precision, in a process that a peer started."""
    return Path(os.environ[_NETWORK]), os.environ[_PRECISION]
