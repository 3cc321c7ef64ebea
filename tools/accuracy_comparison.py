"""Two runs on the same pictures: which first guesses changed, and which of them for the worse."""

from dataclasses import dataclass
from typing import Self

from tools.accuracy_report import LISTED, Outcome, Report, percent

NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Change:
    """A picture in both runs; the later run's label decides what is right."""

    before: Outcome
    now: Outcome

    @property
    def was_right(self) -> bool:
        """The earlier first guess was right."""
        return self.before.right_in(1, self.now.label)

    @property
    def is_right(self) -> bool:
        """The later first guess is right."""
        return self.now.right_in(1)

    def __str__(self) -> str:
        return f"{self.now.path}: {self.before.answer or NO_ANSWER} -> {self.now.answer or NO_ANSWER}"


@dataclass(frozen=True)
class Comparison:
    """The pictures that are in both runs."""

    pictures: list[Change]

    @classmethod
    def of(cls, before: Report, now: Report) -> Self:
        """Pair the pictures by their paths."""
        earlier = {outcome.path: outcome for outcome in before.pictures}
        return cls([Change(earlier[outcome.path], outcome) for outcome in now.pictures if outcome.path in earlier])

    def text(self) -> str:
        """Return the figures for a terminal, and the first of the pictures that became wrong."""
        if not self.pictures:
            return "compared: no picture is in both runs"
        better = [change for change in self.pictures if change.is_right and not change.was_right]
        worse = [change for change in self.pictures if change.was_right and not change.is_right]
        before = _share([change.was_right for change in self.pictures])
        now = _share([change.is_right for change in self.pictures])
        lines = [
            f"compared: {len(self.pictures)} pictures are in both runs",
            f"first guesses that changed: {sum(one.before.answer != one.now.answer for one in self.pictures)}",
            f"right at first guess: {before} before, {now} now",
            f"better: {len(better)}, worse: {len(worse)}",
        ]
        if worse:
            lines.append("right before, wrong now:")
        return "\n".join([*lines, *(f"  {change}" for change in worse[:LISTED])])


def _share(right: list[bool]) -> str:
    return f"{percent(sum(right) / len(right))} ({sum(right)})"
