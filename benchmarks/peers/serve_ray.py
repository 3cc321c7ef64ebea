"""Ray Serve: replicas that each decode and compute, as many as cores, each with a copy of the network and one thread.

Layout: a deployment that takes Starlette's request, https://docs.ray.io/en/latest/serve/http-guide.html; settings from
https://docs.ray.io/en/latest/serve/advanced-guides/performance.html.
"""

import asyncio
import os
from typing import Any

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}  # read while Ray is imported

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from benchmarks.peers.arguments import Arguments, parse_arguments
from benchmarks.peers.network import Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode

CORES = os.cpu_count() or 1


# Compared by images per processor second, with 8 and 32 clients: RAY_SERVE_THROUGHPUT_OPTIMIZED was ahead of the
# default, but in a quieter minute; a thread for each picture was no worse than blocking the event loop. HAProxy
# (RAY_SERVE_ENABLE_HA_PROXY) was no better on a single node, and it listens on all interfaces. One short run each on
# cores shared with other work: to be repeated on an idle machine.
@serve.deployment(num_replicas=CORES, max_ongoing_requests=16, ray_actor_options={"num_cpus": 1})
class Classifier:
    """Decodes one picture and classifies it."""

    def __init__(self, arguments: Arguments) -> None:
        self.network = Network(arguments.network, arguments.precision)

    async def __call__(self, request: Request) -> Response:
        """Return the likeliest classes."""
        try:
            # Ray's guide to asyncio: what blocks belongs into a thread.
            return JSONResponse(await asyncio.to_thread(self.classify, await request.body()))
        except NotAPicture as error:
            return PlainTextResponse(str(error), status_code=400)

    def classify(self, picture: bytes) -> dict[str, Any]:
        """Return the likeliest classes."""
        return answer(self.network.compute(decode(picture)[None])[0])


def main() -> None:
    """Serve until SIGTERM."""
    arguments = parse_arguments()
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": arguments.port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )
    serve.run(
        Classifier.bind(arguments),  # type: ignore[attr-defined]
        blocking=True,
        route_prefix="/predict",
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )


if __name__ == "__main__":
    main()
