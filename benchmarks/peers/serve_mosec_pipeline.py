"""mosec, a pipeline: processes that decode, then one network with dynamic batching.

Layout: the stages of mosec's example of a computer vision service,
https://mosecorg.github.io/mosec/examples/pytorch.html.
"""

import os
from typing import Any

import numpy as np
from mosec import Server, ValidationError, Worker

from benchmarks.peers.arguments import inherited_network, parse_arguments
from benchmarks.peers.network import Array, Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode

# Tried with 1, 8 and 32 clients, in turn: 1 decoder and batches of at most 2; batches of at most 8 and a wait of 5 ms.
# All were alike (13, 14 and 13 images a second).
DECODERS = 2
THREADS = 2
MAX_BATCH = 4
WAIT_MS = 1
# The default of 3 s is less than 32 clients wait on two slow cores.
TIMEOUT_MS = 30_000


class Decoder(Worker):
    """Decodes one picture."""

    def deserialize(self, data: bytes) -> bytes:
        """Take the body as it is."""
        return data

    def forward(self, data: bytes) -> Array:
        """Return the pixels."""
        try:
            return decode(data)
        except NotAPicture as error:
            raise ValidationError(str(error)) from error


class Classifier(Worker):
    """Classifies a batch of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(*inherited_network(), threads=THREADS)

    def forward(self, data: list[Array]) -> list[dict[str, Any]]:
        """Return the likeliest classes of each."""
        return [answer(row) for row in self.network.compute(np.stack(data))]


def main() -> None:
    """Serve until SIGTERM."""
    parse_arguments()
    os.environ["MOSEC_ADDRESS"] = "127.0.0.1"
    os.environ["MOSEC_LOG_LEVEL"] = "warning"
    os.environ["MOSEC_TIMEOUT"] = str(TIMEOUT_MS)
    server = Server()
    server.append_worker(Decoder, num=DECODERS, route="/predict")
    server.append_worker(Classifier, max_batch_size=MAX_BATCH, max_wait_time=WAIT_MS, route="/predict")
    server.run()


if __name__ == "__main__":
    main()
