"""One row of the table: what is promised, and what was reached."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A target and what was reached.

    Attributes:
        part: the part of the benchmark that has measured it.
        what: what was measured, in words.
        target: what is wanted, such as `>= 0.87`.
        reached: the figure, in `unit`.
        good: the target is met.
    """

    part: str
    what: str
    target: str
    reached: float
    unit: str
    good: bool


def at_least(part: str, what: str, reached: float, target: float, unit: str = "") -> Row:
    """Return the row of a figure that should be high."""
    return Row(part, what, f">= {target:.3g}", reached, unit, reached >= target)


def at_most(part: str, what: str, reached: float, target: float, unit: str = "") -> Row:
    """Return the row of a figure that should be low."""
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
