"""Rounds of requests to a fleet, with what they cost each of its processes, and Redis."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.bench.closed_loop import Round, send_for, send_so_many
from benchmarks.bench.pace import Pace
from benchmarks.bench.processes import cpu_seconds, group_of
from benchmarks.fleet import Fleet
from helpers import image_to_pixels

DECODED_TIMES = 20
PINGS = 200
# Long enough for a core to fall asleep, and shorter than one request.
REST_S = 0.006
# What is not a request's doing: our own question, and what connections and scripts need once.
NOT_COUNTED = {"info", "client|setinfo", "script|load", "hello", "auth", "select"}
# What a process that looks for an answer or for work again and again would send.
POLLING = {"get", "exists", "lindex", "lrange"}


@dataclass(frozen=True)
class RedisCost:
    """What one request costs Redis, on average.

    Attributes:
        bytes_in: what is sent to Redis.
        bytes_out: what Redis sends.
        commands: how many of each command, those in scripts too.
    """

    bytes_in: float
    bytes_out: float
    commands: dict[str, float]

    @property
    def polls(self) -> float:
        """How many commands of a request look whether there is something."""
        return sum(number for name, number in self.commands.items() if name in POLLING)


def fleet_round(fleet: Fleet, picture: bytes, clients: int, pace: Pace) -> Round:
    """Send requests for as long as a round is, and note what they cost each process."""
    before = _cpu_seconds(fleet)
    seen = send_for(f"{fleet.urls()[0]}/predict", picture, clients, pace.seconds, pace.warm_up_s)
    cpu_s = {name: seconds - before[name] for name, seconds in _cpu_seconds(fleet).items()}
    return replace(seen, cpu_ms=seen.cpu_ms | {name: s / seen.answered * 1000 for name, s in cpu_s.items()})


def redis_cost(fleet: Fleet, picture: bytes, requests: int) -> RedisCost:
    """Send requests one after the other and ask Redis what it has had to do for them."""
    url = f"{fleet.urls()[0]}/predict"
    # Connections and scripts are there after the first.
    send_so_many(url, picture, 1, 2)
    before, calls_before = fleet.redis_client.info("stats"), _calls(fleet)
    send_so_many(url, picture, 1, requests)
    calls = _calls(fleet) - calls_before
    after = fleet.redis_client.info("stats")
    sent = {way: after[f"total_net_{way}_bytes"] - before[f"total_net_{way}_bytes"] for way in ("input", "output")}
    commands = {name: number / requests for name, number in sorted(calls.items())}
    return RedisCost(sent["input"] / requests, sent["output"] / requests, commands)


def decode_ms(picture: bytes, fleet: Fleet) -> float:
    """Return how long it takes to decode and resize a picture as the web server does; the median, in ms."""
    settings = fleet.settings
    seconds = []
    for _ in range(DECODED_TIMES):
        began = time.perf_counter()
        image_to_pixels(
            picture, settings.image_width, settings.image_height, settings.image_chans, settings.max_image_pixels
        )
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def ping_ms(fleet: Fleet) -> dict[str, float]:
    """Return the time of a PING to Redis, one right after the other and after a rest, in which cores fall asleep."""
    return {"one after the other": _ping_ms(fleet, 0), f"after {REST_S * 1000:g} ms of rest": _ping_ms(fleet, REST_S)}


def _ping_ms(fleet: Fleet, rest_s: float) -> float:
    seconds = []
    for _ in range(PINGS):
        time.sleep(rest_s)
        began = time.perf_counter()
        fleet.redis_client.ping()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def usual_images_per_s(rounds: Sequence[Round], clients: int) -> float:
    """Return the median of the rounds' throughputs: other programs disturb some of them."""
    return statistics.median(each.images_per_s for each in rounds if each.clients == clients)


def usual_latency_ms(rounds: Sequence[Round]) -> float:
    """Return the median of the rounds' median latencies at one client."""
    return statistics.median(each.p50_ms for each in rounds if each.clients == 1)


def one_request_ms(rounds: Sequence[Round]) -> dict[str, float]:
    """Return where the time of a request goes at one client, in the best round.

    It is the median latency, which the web server's own words in Server-Timing are taken from, part by part.
    """
    best = min((each for each in rounds if each.clients == 1), key=lambda each: each.p50_ms)
    parts = dict(best.server_timing_ms)
    total = parts.pop("total", 0.0)
    return parts | {
        "rest of the web server": total - sum(parts.values()),
        "HTTP, and the way": best.p50_ms - total,
        "all": best.p50_ms,
    }


def _cpu_seconds(fleet: Fleet) -> dict[str, float]:
    redis_pid: int = fleet.redis_client.info("server")["process_id"]
    groups = {
        "web server": [pid for server in fleet.web_servers for pid in group_of(server.process.popen.pid)],
        "worker": [pid for server in fleet.workers for pid in group_of(server.process.popen.pid)],
        "redis": [redis_pid],
    }
    return {name: cpu_seconds(pids) for name, pids in groups.items()}


def _calls(fleet: Fleet) -> Counter[str]:
    found = fleet.redis_client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in found.items()}
    return Counter({name: number for name, number in calls.items() if name not in NOT_COUNTED})
