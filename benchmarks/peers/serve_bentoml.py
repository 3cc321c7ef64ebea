"""BentoML: workers that each decode and compute, as many as cores, each with a copy of the network and one thread.

Layout: a service with a root input, https://docs.bentoml.com/en/latest/build-with-bentoml/iotypes.html, and workers as
in https://docs.bentoml.com/en/latest/build-with-bentoml/parallelize-requests.html, started with `bentoml serve`.
"""

import os
import sys
from typing import Any

import bentoml

from benchmarks.peers.arguments import inherited_network, parse_arguments
from benchmarks.peers.network import Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode


# Tried in short runs on a busy machine: two threads in each worker, which gained nothing; a service that decodes before
# another that computes with adaptive batching, which did less, and refused requests at 32 clients.
@bentoml.service(
    workers=os.cpu_count() or 1, threads=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}}
)
class Classifier:
    """Decodes one picture and classifies it."""

    def __init__(self) -> None:
        self.network = Network(*inherited_network())

    @bentoml.api(route="/predict")
    def predict(self, picture: bytes, /) -> dict[str, Any]:
        """Return the likeliest classes."""
        try:
            pixels = decode(picture)
        except NotAPicture as error:
            raise bentoml.exceptions.BadInput(str(error)) from error
        return answer(self.network.compute(pixels[None])[0])


def main() -> None:
    """Become `bentoml serve`, which serves until SIGTERM."""
    arguments = parse_arguments()
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    command = ["-m", "bentoml", "serve", "--quiet", "--host", "127.0.0.1", "--port", str(arguments.port)]
    os.execv(sys.executable, [sys.executable, *command, "benchmarks.peers.serve_bentoml:Classifier"])  # noqa: S606


if __name__ == "__main__":
    main()
