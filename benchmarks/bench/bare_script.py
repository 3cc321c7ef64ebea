"""The network and nothing else: what the processor can do when there is no service around it.

    python bare_script.py model.xml 2

computes picture after picture with as many at once as the second argument says. For each line on standard input, a
number of seconds, it does so for that long and prints what it has reached, as JSON.
"""

import json
import statistics
import sys
import time
from typing import Any

SHAPE = (1, 224, 224, 3)


def main() -> None:
    """Load the network, then measure whenever told so."""
    # Without this, importing OpenVINO reports to a statistics server over the network.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import numpy as np
    import openvino

    streams = int(sys.argv[2])
    options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(sys.argv[1], "CPU", options)
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    requests = openvino.AsyncInferQueue(compiled, streams)
    _compute(requests, pixels, seconds=0.5)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_compute(requests, pixels, float(line))), flush=True)


def _compute(requests: Any, pixels: Any, seconds: float) -> dict[str, float]:
    """Keep all requests busy for some seconds; return pictures a second and the median latency in ms."""
    latencies: list[float] = []
    requests.set_callback(lambda _request, began: latencies.append(time.perf_counter() - began))
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        requests.get_idle_request_id()
        requests.start_async({0: pixels}, time.perf_counter())
    requests.wait_all()
    took = time.perf_counter() - started
    return {"images_per_s": len(latencies) / took, "latency_ms": statistics.median(latencies) * 1000}


if __name__ == "__main__":
    main()
