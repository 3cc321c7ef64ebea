"""The table of targets and measured values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A target and the measured value.

    Attributes:
        part: the part of the benchmark that measured it.
        what: a description of what was measured.
        target: such as `>= 0.87`.
        reached: the measured value, in `unit`.
        good: the target was met.
    """

    part: str
    what: str
    target: str
    reached: float
    unit: str
    good: bool


def at_least(part: str, what: str, reached: float, target: float, unit: str = "") -> Row:
    """Return the row of a value that should be high."""
    return Row(part, what, f">= {target:.3g}", reached, unit, reached >= target)


def at_most(part: str, what: str, reached: float, target: float, unit: str = "") -> Row:
    """Return the row of a value that should be low."""
    return Row(part, what, f"<= {target:.3g}", reached, unit, reached <= target)


def table(rows: list[Row]) -> str:
    """Return the rows as lines of text."""
    cells = [("what", "target", "reached", "")]
    cells += [
        (row.what, f"{row.target} {row.unit}", f"{row.reached:.3g} {row.unit}", "pass" if row.good else "MISS")
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
