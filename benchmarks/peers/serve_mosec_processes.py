"""mosec, processes that each decode and compute: as many as cores, each with a copy of the network and one thread.

Layout: one stage of Workers as in mosec's first example, https://mosecorg.github.io/mosec/examples/echo.html.
"""

import os
from typing import Any

from mosec import Server, ValidationError, Worker

from benchmarks.peers.arguments import inherited_network, parse_arguments
from benchmarks.peers.network import Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode

# The default of 3 s is less than 32 clients wait on two slow cores.
TIMEOUT_MS = 30_000


class Classifier(Worker):
    """Decodes one picture and classifies it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(*inherited_network())

    def deserialize(self, data: bytes) -> bytes:
        """Take the body as it is."""
        return data

    def forward(self, data: bytes) -> dict[str, Any]:
        """Return the likeliest classes."""
        try:
            pixels = decode(data)
        except NotAPicture as error:
            raise ValidationError(str(error)) from error
        return answer(self.network.compute(pixels[None])[0])


def main() -> None:
    """Serve until SIGTERM."""
    parse_arguments()
    os.environ["MOSEC_ADDRESS"] = "127.0.0.1"
    os.environ["MOSEC_LOG_LEVEL"] = "warning"
    os.environ["MOSEC_TIMEOUT"] = str(TIMEOUT_MS)
    server = Server()
    server.append_worker(Classifier, num=os.cpu_count() or 1, route="/predict")
    server.run()


if __name__ == "__main__":
    main()
