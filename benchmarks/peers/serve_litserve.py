"""LitServe: its servers receive, its workers decode and compute, one copy of the network each.

Layout: LitAPI as in https://lightning.ai/docs/litserve/features/request-response-format; a body that is neither JSON
nor a form is read by a request type of FastAPI's, here a dependency that reads the raw body.
"""

import os
import signal
from typing import Annotated, Any

import litserve
from fastapi import Depends, HTTPException, Request

from benchmarks.peers.arguments import Arguments, parse_arguments
from benchmarks.peers.network import Array, Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode


async def read_body(request: Request) -> bytes:
    """Return the body as it is."""
    return await request.body()


class Classifier(litserve.LitAPI):
    """Decodes one picture and classifies it."""

    def __init__(self, arguments: Arguments, **options: Any) -> None:
        super().__init__(**options)
        self.arguments = arguments

    def setup(self, device: str) -> None:
        """Load the network, once in each worker."""
        self.network = Network(self.arguments.network, self.arguments.precision)

    def decode_request(self, request: Annotated[bytes, Depends(read_body)]) -> Array:
        """Return the pixels."""
        try:
            return decode(request)
        except NotAPicture as error:
            raise HTTPException(400, str(error)) from error

    def predict(self, pixels: Array) -> Array:
        """Return the probabilities of one picture."""
        return self.network.compute(pixels[None])[0]

    def encode_response(self, output: Array) -> dict[str, Any]:
        """Return the likeliest classes."""
        return answer(output)


def main() -> None:
    """Serve until SIGTERM."""
    arguments = parse_arguments()
    # Tried: one worker with two threads and batches of at most 8, which did half as much; the default queue instead of
    # the fast one (ZeroMQ), which was alike.
    server = litserve.LitServer(
        Classifier(arguments, api_path="/predict"),
        accelerator="cpu",
        workers_per_device=os.cpu_count() or 1,
        fast_queue=True,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # LitServe stops its processes at Ctrl+C only
    server.run(
        host="127.0.0.1",
        port=arguments.port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
