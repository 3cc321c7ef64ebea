"""What the service made of labelled pictures: each outcome, the figures, their text and JSON."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from tools.labelled_pictures import LabelledPicture

GUESSES = 5
LISTED = 10


class ReportError(Exception):
    """A file is not an earlier run's report."""


class Prediction(BaseModel, frozen=True):
    """One of the classes that an answer names."""

    label: str
    probability: float


class Outcome(BaseModel, frozen=True):
    """What became of one picture.

    Attributes:
        path: of the picture, relative to the folder, or as the CSV file spells it.
        label: its true class.
        model: which network answered; None where there was no answer.
        precision: in which numbers; None also in reports of earlier versions.
        predictions: the most probable classes, the best first; empty where there was no answer.
        problem: why there was none.
    """

    path: str
    label: str
    model: str | None = None
    precision: str | None = None
    predictions: list[Prediction] = []
    problem: str | None = None

    @property
    def answer(self) -> str | None:
        """The first guess; None where there was no answer."""
        return self.predictions[0].label if self.predictions else None

    @property
    def network(self) -> str | None:
        """The network that answered, and in which precision."""
        return f"{self.model} in {self.precision}" if self.model and self.precision else self.model

    def right_in(self, guesses: int, label: str | None = None) -> bool:
        """Tell whether the label, by default the picture's own, is among the first guesses."""
        return (label or self.label) in [prediction.label for prediction in self.predictions[:guesses]]


class ClassFigures(BaseModel, frozen=True):
    """How a class did; `right_first` is a share."""

    label: str
    pictures: int
    right_first: float


class Confusion(BaseModel, frozen=True):
    """A wrong first guess, and how often it was made."""

    label: str
    answer: str
    count: int


class Figures(BaseModel, frozen=True):
    """The summary; a failed picture counts as not right.

    Attributes:
        asked: how many pictures there are; fewer were sent if the run was ended early.
        pictures: how many were sent.
        models: all that have answered, and in which precision.
        right_first: how many first guesses were right.
        right_first_share: the same, over `pictures`.
        right_in_five: how many had the right class among the first five.
        right_in_five_share: the same, over `pictures`.
        failed: the number of pictures for each reason why there was no answer.
        worst_classes: those with the smallest shares of right first guesses, without those that are always right.
        confusions: the most frequent wrong first guesses.
    """

    asked: int
    pictures: int
    models: list[str]
    right_first: int
    right_first_share: float
    right_in_five: int
    right_in_five_share: float
    failed: dict[str, int]
    worst_classes: list[ClassFigures]
    confusions: list[Confusion]

    @classmethod
    def of(cls, outcomes: list[Outcome], asked: int) -> Self:
        """Compute the figures."""
        first = sum(outcome.right_in(1) for outcome in outcomes)
        five = sum(outcome.right_in(GUESSES) for outcome in outcomes)
        total = len(outcomes) or 1
        return cls(
            asked=asked,
            pictures=len(outcomes),
            models=sorted({outcome.network for outcome in outcomes if outcome.network}),
            right_first=first,
            right_first_share=first / total,
            right_in_five=five,
            right_in_five_share=five / total,
            failed=dict(Counter(outcome.problem for outcome in outcomes if outcome.problem).most_common()),
            worst_classes=_worst_classes(outcomes),
            confusions=_confusions(outcomes),
        )

    def text(self) -> str:
        """Return the figures for a terminal."""
        early = f" of {self.asked}; the run was ended early" if self.pictures < self.asked else ""
        lines = [
            f"pictures: {self.pictures}{early}",
            f"model: {', '.join(self.models) or 'none has answered'}",
            f"right at first guess: {percent(self.right_first_share)} ({self.right_first})",
            f"right in the first five: {percent(self.right_in_five_share)} ({self.right_in_five})",
            f"failed: {sum(self.failed.values())}",
        ]
        return "\n".join([*lines, *self._lists()])

    def _lists(self) -> Iterator[str]:
        for problem, count in self.failed.items():
            yield f"  {count:5}  {problem}"
        if self.worst_classes:
            yield "worst classes, by right first guesses:"
        for figures in self.worst_classes:
            yield f"  {percent(figures.right_first):>7} of {figures.pictures}  {figures.label}"
        if self.confusions:
            yield "most frequent confusions:"
        for confusion in self.confusions:
            yield f"  {confusion.count:5}  {confusion.label} -> {confusion.answer}"


class Report(BaseModel, frozen=True):
    """What `--json` writes, and `--compare` reads."""

    summary: Figures
    pictures: list[Outcome]

    @classmethod
    def of(cls, outcomes: list[Outcome], asked: list[LabelledPicture]) -> Self:
        """Compute the report; its pictures are in the order in which they were asked for."""
        by_path = {outcome.path: outcome for outcome in outcomes}
        in_order = [by_path[picture.path] for picture in asked if picture.path in by_path]
        return cls(summary=Figures.of(in_order, len(asked)), pictures=in_order)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read an earlier run's report.

        Raises:
            ReportError: the file cannot be read, or has something else.
        """
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as error:
            raise ReportError(f"{file}: {error.strerror}") from error
        except ValidationError as error:
            raise ReportError(f"{file}: not a report that --json of this tool has written") from error

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n")


def percent(share: float) -> str:
    """Return a share for readers."""
    return f"{100 * share:.1f} %"


def _worst_classes(outcomes: list[Outcome]) -> list[ClassFigures]:
    sizes = Counter(outcome.label for outcome in outcomes)
    right = Counter(outcome.label for outcome in outcomes if outcome.right_in(1))
    figures = [
        ClassFigures(label=label, pictures=size, right_first=right[label] / size) for label, size in sizes.items()
    ]
    wrong = (one for one in figures if one.right_first < 1)
    return sorted(wrong, key=lambda one: (one.right_first, -one.pictures, one.label))[:LISTED]


def _confusions(outcomes: list[Outcome]) -> list[Confusion]:
    pairs = Counter((outcome.label, outcome.answer) for outcome in outcomes if not outcome.right_in(1))
    counted = [Confusion(label=label, answer=answer, count=count) for (label, answer), count in pairs.items() if answer]
    return sorted(counted, key=lambda one: (-one.count, one.label, one.answer))[:LISTED]
