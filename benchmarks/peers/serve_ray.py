"""Ray Serve: replicas that each decode and compute, as many as cores, each with a copy of the network and one thread.

Layout: a deployment that takes Starlette's request, https://docs.ray.io/en/latest/serve/http-guide.html; settings from
https://docs.ray.io/en/latest/serve/advanced-guides/performance.html.
"""

import os

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}  # read while Ray is imported

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from benchmarks.peers.arguments import Arguments, parse_arguments
from benchmarks.peers.network import Network
from benchmarks.peers.preprocessing import NotAPicture, answer, decode

CORES = os.cpu_count() or 1


# Tried: without RAY_SERVE_THROUGHPUT_OPTIMIZED, which was slower; a thread for each picture (asyncio.to_thread) instead
# of blocking the event loop of a replica, which does nothing else: 12.7 and 9.7 images a second at 8 and 32 clients
# instead of 12.7 and 11.4; HAProxy (RAY_SERVE_ENABLE_HA_PROXY), which gained nothing and listens on all interfaces.
@serve.deployment(num_replicas=CORES, max_ongoing_requests=16, ray_actor_options={"num_cpus": 1})
class Classifier:
    """Decodes one picture and classifies it."""

    def __init__(self, arguments: Arguments) -> None:
        self.network = Network(arguments.network, arguments.precision)

    async def __call__(self, request: Request) -> Response:
        """Return the likeliest classes."""
        try:
            pixels = decode(await request.body())
        except NotAPicture as error:
            return PlainTextResponse(str(error), status_code=400)
        return JSONResponse(answer(self.network.compute(pixels[None])[0]))


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
