"""Rounds of requests to a fleet, with their cost in each of its processes and in Redis."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.bench.closed_loop import Round, SenderContext, forms, measure_for, send_so_many
from benchmarks.bench.pace import Pace
from benchmarks.fleet import Fleet, Server
from benchmarks.processes import cpu_seconds
from pictures.decoding import DecodingOptions, decode_image

DECODED_TIMES = 20
PINGS = 200
# Long enough for a core to enter an idle state, and shorter than one request.
REST_S = 0.006
# Not caused by requests: our own INFO, and what connections and scripts need once.
NOT_COUNTED = {"info", "client|setinfo", "script|load", "hello", "auth", "select"}
# Commands of a process that polls for results or for jobs.
POLLING = {"get", "exists", "lindex", "lrange"}
# Whose processor time is measured, besides the load generator's.
SERVERS = ("web server", "worker", "redis")


@dataclass(frozen=True)
class RedisCost:
    """The cost of one request in Redis, on average.

    Attributes:
        bytes_in: sent to Redis.
        bytes_out: sent by Redis.
        commands: the number of each command, including those called by scripts.
    """

    bytes_in: float
    bytes_out: float
    commands: dict[str, float]

    @property
    def polls(self) -> float:
        """The number of commands per request that poll."""
        return sum(number for name, number in self.commands.items() if name in POLLING)


def fleet_round(fleet: Fleet, picture: bytes, clients: int, pace: Pace) -> Round:
    """Send pictures as forms for one round, and add the processor time of each process."""
    return sender_round(fleet, forms(fleet.urls()[0], picture, clients), clients, pace)


def sender_round(fleet: Fleet, sender: SenderContext, clients: int, pace: Pace) -> Round:
    """Do the same with any sender."""
    before = processor_seconds(fleet)
    measured = measure_for(sender, clients, pace.seconds, pace.warm_up_s)
    cpu_s = {name: seconds - before[name] for name, seconds in processor_seconds(fleet).items()}
    return replace(measured, cpu_ms=measured.cpu_ms | {name: s / measured.answered * 1000 for name, s in cpu_s.items()})


def redis_cost(fleet: Fleet, picture: bytes, requests: int) -> RedisCost:
    """Send requests one after the other, and count what Redis did for them."""
    url = fleet.urls()[0]
    # The first requests open connections and load scripts.
    send_so_many(url, picture, 1, 2)
    before, calls_before = fleet.redis_client.info("stats"), _calls(fleet)
    send_so_many(url, picture, 1, requests)
    calls = _calls(fleet) - calls_before
    after = fleet.redis_client.info("stats")
    traffic = {
        direction: after[f"total_net_{direction}_bytes"] - before[f"total_net_{direction}_bytes"]
        for direction in ("input", "output")
    }
    commands = {name: number / requests for name, number in sorted(calls.items())}
    return RedisCost(traffic["input"] / requests, traffic["output"] / requests, commands)


def decode_ms(picture: bytes, options: DecodingOptions) -> float:
    """Return the median time to decode and resize a picture as the web server does, in ms."""
    seconds = []
    for _ in range(DECODED_TIMES):
        began = time.perf_counter()
        decode_image(picture, options)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def ping_ms(fleet: Fleet) -> dict[str, float]:
    """Return the median time of a PING to Redis: without a pause, and after a pause in which cores become idle."""
    return {"one after the other": _ping_ms(fleet, 0), f"after {REST_S * 1000:g} ms of rest": _ping_ms(fleet, REST_S)}


def _ping_ms(fleet: Fleet, rest_s: float) -> float:
    seconds = []
    for _ in range(PINGS):
        time.sleep(rest_s)
        began = time.perf_counter()
        fleet.redis_client.ping()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def median_images_per_s(rounds: Sequence[Round], clients: int) -> float:
    """Return the median throughput of the rounds, since other programs disturb some of them."""
    return statistics.median(each.images_per_s for each in rounds if each.clients == clients)


def median_cpu_ms(rounds: Sequence[Round], clients: int) -> float:
    """Return the median of the processor time that a request takes in all servers and Redis."""
    return statistics.median(sum(each.cpu_ms[name] for name in SERVERS) for each in rounds if each.clients == clients)


def median_latency_ms(rounds: Sequence[Round]) -> float:
    """Return the median of the rounds' median latencies at one client."""
    return statistics.median(each.p50_ms for each in rounds if each.clients == 1)


def one_request_ms(rounds: Sequence[Round]) -> dict[str, float]:
    """Split the median latency at one client, in the best round, into the parts that Server-Timing reports."""
    best = min((each for each in rounds if each.clients == 1), key=lambda each: each.p50_ms)
    parts = dict(best.server_timing_ms)
    total = parts.pop("total", 0.0)
    return parts | {
        "rest of the web server": total - sum(parts.values()),
        "HTTP, and the way": best.p50_ms - total,
        "all": best.p50_ms,
    }


def processor_seconds(fleet: Fleet) -> dict[str, float]:
    """Return the processor time that each part of a fleet has used so far."""
    # Redis uses so little in a short round that the ticks in which the system counts would be too coarse.
    redis = fleet.redis_client.info("cpu")
    seconds = (
        cpu_seconds(_pids(fleet.web_servers)),
        cpu_seconds(_pids(fleet.workers)),
        redis["used_cpu_sys"] + redis["used_cpu_user"],
    )
    return dict(zip(SERVERS, seconds, strict=True))


def _pids(servers: Sequence[Server]) -> list[int]:
    return [server.process.popen.pid for server in servers]


def _calls(fleet: Fleet) -> Counter[str]:
    found = fleet.redis_client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in found.items()}
    return Counter({name: number for name, number in calls.items() if name not in NOT_COUNTED})
