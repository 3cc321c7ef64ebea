"""A report as text: the table of targets, the time of one request by part, and its cost by process."""

from typing import Any

from benchmarks.bench.row import Row, table

TITLES = {"resnet50": "ResNet50", "costless": "costless network"}


def summary(rows: list[Row], report: dict[str, Any]) -> str:
    """Return the whole text."""
    return "\n".join(
        [
            table(rows),
            *_commands(report["parts"]),
            *_pings(report["parts"].get("costless")),
            *(line for part in TITLES for line in _costs(part, report["parts"].get(part))),
        ]
    )


def _commands(parts: dict[str, Any]) -> list[str]:
    sides = {"the service": parts.get("costless"), "the original": parts.get("original")}
    return [
        f"\nRedis's commands for a request, {side}: {_words(part['redis_cost']['commands'])}"
        for side, part in sides.items()
        if part
    ]


def _pings(costless: dict[str, Any] | None) -> list[str]:
    return [f"\nA PING to Redis, in ms: {_words(costless['ping_ms'], digits=3)}"] if costless else []


def _costs(name: str, part: dict[str, Any] | None) -> list[str]:
    if part is None:
        return []
    busiest = max(part["rounds"], key=lambda each: float(each["images_per_s"]))
    return [
        f"\nThe time of one request at 1 client, {TITLES[name]}, in ms: {_words(part['one_request_ms'])}",
        f"Processor time of a request at {busiest['clients']} clients, in ms: {_words(busiest['cpu_ms'])}",
        f"Share of all cores that the load generator took: {busiest['generator_share']:.1%}",
    ]


def _words(figures: dict[str, float], digits: int = 1) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in figures.items())
