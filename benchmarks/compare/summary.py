"""The comparison as text: what each contender served, and our targets against the best of the others."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.bench.networks_measured import COSTLESS, RESNET50
from benchmarks.bench.row import Row, at_least, at_most
from benchmarks.compare.cases import CASTLE_NAME, PHOTOGRAPH_NAME
from benchmarks.compare.our_service import OurService

CASE = ("network", "precision", "picture", "clients")
FIGURES = ("images_per_s", "p50_ms", "p99_ms", "cpu_ms")
OURS = OurService.name


def medians(served: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry for each contender and load: the medians of its rounds, and all requests that failed."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for each in served:
        groups.setdefault(tuple(each[name] for name in (*CASE, "contender")), []).append(each)
    return [
        {name: rounds[0][name] for name in (*CASE, "contender")}
        | {name: median(each[name] for each in rounds) for name in FIGURES}
        | {"failed": sum(sum(each["failures"].values()) for each in rounds)}
        for rounds in groups.values()
    ]


def rows(found: Sequence[dict[str, Any]], bare: Sequence[dict[str, Any]], cores: int) -> list[Row]:
    """Return our targets.

    Args:
        found: the result of `medians`.
        bare: what network and decoding do alone, of each round.
        cores: that all of it shares.
    """
    return [row for case, each in _by_case(found) if OURS in each for row in _rows_of(case, each, bare, cores)]


def _rows_of(
    case: tuple[Any, ...], each: dict[str, dict[str, Any]], bare: Sequence[dict[str, Any]], cores: int
) -> Iterator[Row]:
    network, precision, picture, clients = case
    ours, others = each[OURS], [other for name, other in each.items() if name != OURS]
    what = f"{network}, {precision}, {picture}, {clients} clients: "
    if others:
        best = max(other["images_per_s"] for other in others)
        fastest_ms = min(other["p50_ms"] for other in others)
        if picture == PHOTOGRAPH_NAME:
            yield at_least("peers", f"{what}images/s / best peer's", ours["images_per_s"] / best, 3)
        elif clients == 1:
            yield at_most("peers", f"{what}latency / best peer's", ours["p50_ms"] / fastest_ms, 1)
        else:
            yield at_least("peers", f"{what}images/s / best peer's", ours["images_per_s"] / best, 1)
    alone = [one for one in bare if one["precision"] == precision]
    if alone and network == RESNET50 and picture == CASTLE_NAME and clients > 1:
        # On all cores at once; what decodes cannot compute.
        seconds = 1 / median(one["images_per_s"] for one in alone)
        seconds += median(one["decode_ms"] for one in alone) / 1000 / cores
        yield at_least("bare", f"{what}served / bare network and decoding", ours["images_per_s"] * seconds, 0.92)


def served_table(found: Sequence[dict[str, Any]]) -> str:
    """Return what each contender served, the best of each load first."""
    return "\n".join(_lines(found))


def _lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    for (network, precision, picture, clients), each in _by_case(found):
        name = "a network that costs nothing" if network == COSTLESS else network
        yield f"\n{name}, {precision}, {picture}, {clients} clients"
        yield f"  {'':18}{'images/s':>9}{'p50, ms':>9}{'p99, ms':>9}{'processor, ms':>15}{'failed':>8}"
        for one in sorted(each.values(), key=lambda one: -float(one["images_per_s"])):
            figures = f"{one['images_per_s']:9.1f}{one['p50_ms']:9.0f}{one['p99_ms']:9.0f}{one['cpu_ms']:15.1f}"
            yield f"  {one['contender']:18}{figures}{one['failed']:8}"


def faults_table(kills: Sequence[dict[str, Any]], uploads: Sequence[dict[str, Any]]) -> str:
    """Return what became of requests while processes were killed, and the status of each broken upload."""
    lines = ["", "A computing process killed every 6 s, 8 clients"]
    for each in kills:
        failed = ", ".join(f"{count} x {outcome}" for outcome, count in each["failed"].items()) or "none"
        end = "alive" if each["alive"] else "DEAD afterwards"
        lines.append(
            f"  {each['contender']:18}{each['answered']:6} answered, failed: {failed}; {each['kills']} kills, {end}"
        )
    lines += ["", "Broken uploads: status (seconds)"]
    for each in uploads:
        told = "; ".join(f"{name}: {value[0]} ({value[1]:g})" for name, value in each.items() if name != "contender")
        lines.append(f"  {each['contender']:18}{told}")
    return "\n".join(lines)


def _by_case(found: Sequence[dict[str, Any]]) -> Iterator[tuple[tuple[Any, ...], dict[str, dict[str, Any]]]]:
    """Yield each case with its contenders by name."""
    cases: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for each in found:
        cases.setdefault(tuple(each[name] for name in CASE), {})[each["contender"]] = each
    yield from cases.items()
