"""Throughput of all contenders by the number of clients, one graph for each picture and precision."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.networks_measured import RESNET50
from benchmarks.compare.our_service import OurService


def save_plot(found: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the medians that `summary.medians` gives."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    found = [each for each in found if each["network"] == RESNET50]
    cases = list(dict.fromkeys((each["precision"], each["picture"]) for each in found))
    figure = Figure(figsize=(5 * max(1, len(cases)) + 2, 4), layout="constrained")
    for number, (precision, picture) in enumerate(cases, start=1):
        axes = figure.add_subplot(1, len(cases), number)
        points = [each for each in found if (each["precision"], each["picture"]) == (precision, picture)]
        for name in dict.fromkeys(each["contender"] for each in points):
            line = {each["clients"]: each["images_per_s"] for each in points if each["contender"] == name}
            width, style = (3, "o-") if name == OurService.name else (1, "o--")
            axes.plot(list(line), list(line.values()), style, linewidth=width, label=name)
        clients = sorted({each["clients"] for each in points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(clients, [str(each) for each in clients])
        axes.set(title=f"ResNet50, {precision}, {picture}", xlabel="clients", ylabel="images a second")
        axes.set_ylim(bottom=0)
    if figure.axes:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(file, dpi=110)
