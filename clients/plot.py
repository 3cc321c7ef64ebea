"""The latencies of a load as a picture: over time, and how they are distributed."""

from pathlib import Path

from matplotlib.figure import Figure

from clients.report import GOOD, Report, Results

SIZE_INCHES = (9, 4)
BINS = 50
COLOURS = {True: "tab:blue", False: "tab:red"}


def save_plot(results: Results, report: Report, path: Path) -> None:
    """Write the picture, in the format that the file's name tells.

    Raises:
        OSError: the file cannot be written.
        ValueError: this format is not known.
    """
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    over_time, distribution = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    for good, label in ((True, "answered with 200"), (False, "failed")):
        samples = [sample for sample in results.samples if (sample.outcome == GOOD) is good]
        if samples:
            latencies_ms = [sample.latency_s * 1000 for sample in samples]
            due_s = [sample.due_s for sample in samples]
            over_time.plot(due_s, latencies_ms, ".", markersize=3, color=COLOURS[good], label=label)
            distribution.hist(latencies_ms, BINS, orientation="horizontal", color=COLOURS[good], alpha=0.8)
    for name in ("p50", "p99"):
        latency_ms = report.latency_ms[name]
        for axes in (over_time, distribution):
            axes.axhline(latency_ms, color="gray", linewidth=0.8, linestyle="--")
        place = (1, latency_ms)
        distribution.annotate(name, place, xycoords=("axes fraction", "data"), ha="right", va="bottom")
    over_time.set(xlabel="when it was due, s", ylabel="latency, ms", ylim=(0, None))
    distribution.set(xlabel="requests")
    figure.legend(*over_time.get_legend_handles_labels(), loc="outside upper right")
    figure.suptitle(f"{report.requests} requests, {report.failed} failed ({report.load})")
    figure.savefig(path)
