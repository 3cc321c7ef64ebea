"""Computes the network without any service around it, which is the most that the processor can do.

    python bare_script.py model.xml 2 float32

The second argument is the number of pictures that are computed at once, the third the precision: `default` is what
OpenVINO takes by itself. Each line on standard input is a number of seconds: the script computes for that long and
prints its throughput and latency as JSON.
"""

import json
import statistics
import sys
import time
from typing import Any

SHAPE = (1, 224, 224, 3)


def main() -> None:
    """Load the network, then measure once for each line of input."""
    # Importing OpenVINO would report usage statistics over the network.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import numpy as np
    import openvino

    streams = int(sys.argv[2])
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": streams}
    if sys.argv[3] == "float32":
        options["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = openvino.Core().compile_model(sys.argv[1], "CPU", options)
    pixels = np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)
    requests = openvino.AsyncInferQueue(compiled, streams)
    _compute(requests, pixels, seconds=0.5)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_compute(requests, pixels, float(line))), flush=True)


def _compute(requests: Any, pixels: Any, seconds: float) -> dict[str, float]:
    """Keep all requests busy for some seconds; return pictures per second and the median latency in ms."""
    latencies: list[float] = []
    requests.set_callback(lambda _request, began: latencies.append(time.perf_counter() - began))
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        requests.get_idle_request_id()
        requests.start_async({0: pixels}, time.perf_counter())
    requests.wait_all()
    duration_s = time.perf_counter() - started
    return {"images_per_s": len(latencies) / duration_s, "latency_ms": statistics.median(latencies) * 1000}


if __name__ == "__main__":
    main()
