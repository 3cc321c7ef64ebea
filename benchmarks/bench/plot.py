"""Three graphs of a report: throughput and latency by clients, throughput by workers."""

from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Of the service, and of what it is compared with.
BLUE, GRAY, RED = "#1f5fa8", "#777777", "#c0392b"


def save_plot(report: dict[str, Any], file: Path) -> None:
    """Draw the graphs of all parts that were run."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    parts = report["parts"]
    graphs = [
        *([_throughput, _latency] if "resnet50" in parts else []),
        *([_workers] if "scaling" in parts else []),
    ]
    figure = Figure(figsize=(5 * max(1, len(graphs)), 4), layout="constrained")
    for number, draw in enumerate(graphs, start=1):
        draw(figure.add_subplot(1, len(graphs), number), parts)
    figure.savefig(file, dpi=110)


def _throughput(axes: "Axes", parts: dict[str, Any]) -> None:
    service = _by_clients(parts["resnet50"]["rounds"], "images_per_s")
    axes.plot(list(service), list(service.values()), "o-", color=BLUE, label="service")
    axes.axhline(parts["resnet50"]["bare_images_per_s"], color=GRAY, linestyle="--", label="bare network")
    if original := parts.get("original-resnet50"):
        points = _by_clients(original["rounds"]["original"], "images_per_s")
        axes.plot(list(points), list(points.values()), "s:", color=RED, label="original's protocol")
    _clients(axes, list(service))
    axes.set(title="ResNet50, throughput", ylabel="images a second")
    axes.set_ylim(bottom=0)
    axes.legend()


def _latency(axes: "Axes", parts: dict[str, Any]) -> None:
    rounds = parts["resnet50"]["rounds"]
    for name, colour in (("p50", BLUE), ("p99", RED)):
        service = _by_clients(rounds, f"{name}_ms")
        axes.plot(list(service), list(service.values()), "o-", color=colour, label=name)
    axes.axhline(parts["resnet50"]["bare_latency_ms"], color=GRAY, linestyle="--", label="bare network")
    _clients(axes, sorted({each["clients"] for each in rounds}))
    axes.set(title="ResNet50, latency", ylabel="milliseconds", yscale="log")
    axes.legend()


def _workers(axes: "Axes", parts: dict[str, Any]) -> None:
    found = {int(workers): value for workers, value in parts["scaling"]["images_per_s"].items()}
    numbers = list(found)
    linear = [found[numbers[0]] / numbers[0] * number for number in numbers]
    axes.plot(numbers, linear, "--", color=GRAY, label="linear")
    axes.plot(numbers, list(found.values()), "o-", color=BLUE, label="service")
    axes.set(title="A network that sleeps, throughput", xlabel="workers", ylabel="images a second")
    axes.set_xticks(numbers)
    axes.legend()


def _clients(axes: "Axes", numbers: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.set_xlabel("clients")


def _by_clients(rounds: list[dict[str, Any]], field: str) -> dict[int, float]:
    """Return the median of a field of the rounds for each number of clients, in ascending order."""
    numbers = sorted({each["clients"] for each in rounds})
    return {number: median(each[field] for each in rounds if each["clients"] == number) for number in numbers}
