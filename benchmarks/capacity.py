"""Plans a deployment for a rate of pictures, from what one picture costs.

    python -m benchmarks.capacity --rate 1000
    python -m benchmarks.capacity --rate 10000 --gpu 900 --card-gbit 25

docs/scaling.md says what the figures mean and where they end.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.capacity_costs import MEASURED, RESNET50_MS, Costs

# Of each core, GPU and network card: beyond it queues grow at the next burst.
UTILIZATION = 0.7
CORES = 8
# Redis's own default of `maxclients`.
REDIS_CONNECTIONS = 10_000
# One of its batch loop, one of that loop's clock, one of the heartbeat.
WORKER_CONNECTIONS = 3


@dataclass(frozen=True)
class Load:
    """What is asked for, and on which machines.

    Attributes:
        rate: pictures a second.
        network_ms: processor time that the network takes for a picture on a core, in ms; of no meaning with GPUs.
        gpu_rate: pictures a second that a GPU classifies; 0 for none.
        latency_ms: how long a request waits, in ms.
        card_gbit: of Redis's network card, each way, in Gbit/s.
        replicas: of each Redis; each gets a copy of every job.
    """

    rate: float
    network_ms: float = RESNET50_MS
    gpu_rate: float = 0
    latency_ms: float = 200
    card_gbit: float = 10
    replicas: int = 1


@dataclass(frozen=True)
class Plan:
    """How many cells, all equal, and what each consists of.

    Attributes:
        cells: each with a Redis, and web servers and workers of its own.
        limits: pictures a second of one Redis, by what limits it; the lowest counts.
        web_machines: of CORES cores.
        worker_machines: the same; with GPUs, these are in them.
        gpus: 0 where cores compute the network.
        redis_connections: to the Redis.
        redis_gbit: out of the Redis, in Gbit/s.
    """

    cells: int
    limits: dict[str, float]
    web_machines: int
    worker_machines: int
    gpus: int
    redis_connections: int
    redis_gbit: float

    @property
    def limit(self) -> str:
        """What is the first to limit one Redis."""
        return min(self.limits, key=self.limits.__getitem__)


def plan(load: Load, costs: Costs = MEASURED) -> Plan:
    """Return the smallest plan for a load."""
    bytes_out = costs.redis_bytes_out + load.replicas * costs.redis_bytes_in
    waiting_s = costs.connections * load.latency_ms / 1000
    limits = {
        "core": UTILIZATION * 1000 / costs.redis_ms,
        "network card": UTILIZATION * load.card_gbit * 1e9 / 8 / bytes_out,
        # Those of workers are few beside them.
        "connections": REDIS_CONNECTIONS / waiting_s,
    }
    cells = math.ceil(load.rate / min(limits.values()))
    rate = load.rate / cells
    gpus = _count(rate / load.gpu_rate) if load.gpu_rate else 0
    worker_machines = _machines(rate, costs.worker_ms + (0 if gpus else load.network_ms))
    return Plan(
        cells=cells,
        limits=limits,
        web_machines=_machines(rate, costs.web_ms),
        worker_machines=worker_machines,
        gpus=gpus,
        # A worker on each machine, or on each GPU.
        redis_connections=math.ceil(rate * waiting_s) + WORKER_CONNECTIONS * max(gpus, worker_machines),
        redis_gbit=rate * bytes_out * 8 / 1e9,
    )


def _machines(rate: float, milliseconds: float) -> int:
    return _count(rate * milliseconds / 1000 / CORES)


def _count(busy: float) -> int:
    """Return how many machines do the work of so many that are always busy."""
    return math.ceil(busy / UTILIZATION)


def lines(load: Load, costs: Costs = MEASURED) -> list[str]:
    """Return the plan in words."""
    found = plan(load, costs)
    limits = ", ".join(f"{name} {limit:,.0f}" for name, limit in found.limits.items())
    gpus = f", with {found.gpus} GPUs of {load.gpu_rate:,.0f} pictures/s" if found.gpus else ""
    return [
        f"{load.rate:,.0f} pictures/s, each machine {CORES} cores, all at most {UTILIZATION:.0%} busy",
        f"cells               {found.cells}",
        f"machines in a cell  {found.web_machines} for web servers, {found.worker_machines} for workers{gpus}",
        f"Redis of a cell     {load.rate / found.cells * costs.redis_ms / 1000:.0%} of a core, "
        f"{found.redis_gbit:.1f} Gbit/s out, {found.redis_connections:,} connections",
        f"limits of a Redis   {limits} pictures/s; first: {found.limit}",
        f"measured            {costs.date}, {costs.machine}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = Load(rate=1)
    parser.add_argument("--rate", type=_positive, required=True, help="pictures a second")
    options = {
        "network-ms": "processor time of the network for a picture, in ms",
        "latency-ms": "how long a request waits, in ms",
        "card-gbit": "Redis's network card, in Gbit/s",
    }
    for name, text in options.items():
        default = getattr(defaults, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=_positive, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument("--gpu", type=_positive, default=0, dest="gpu_rate", help="pictures/s of one GPU")
    parser.add_argument("--replicas", type=int, default=1, help="of each Redis (default: %(default)s)")
    print("\n".join(lines(Load(**vars(parser.parse_args(arguments))))))


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    main()
