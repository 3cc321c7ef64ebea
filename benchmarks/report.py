"""The results of a chaos run, and their table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.tally import Tally

# Of each kind of failure.
DETAILS_SHOWN = 10


@dataclass(frozen=True)
class ChaosReport:
    """The results; those from `wrong` to `leaks` must be empty.

    Attributes:
        wrong: unexpected answers, with their number.
        lost: requests that were neither answered nor refused for a good reason, with their number.
        unexpected_exits: processes that ended by themselves, or with another exit code than 0.
        leaks: processes, keys and connections that were left after the end.
        refused: 503 during an outage, by the answer's `detail`.
        failovers: how often a client's web server was gone.
        slowest_answer_s: the longest time that a correct answer took.
        elections: how often another Redis server became the master.
        slowest_recovery_s: the longest time from Redis's return, or an election, to the next correct answer.
        faults: the number of each injected fault.
        rescues: how often web servers recovered a job or a result, by their actions in the log.
    """

    seconds: float
    seed: int
    requests: int
    correct: int
    pictures: int
    wrong: Mapping[str, int]
    lost: Mapping[str, int]
    unexpected_exits: list[str]
    leaks: list[str]
    refused: Mapping[str, int]
    failovers: int
    elections: int
    slowest_answer_s: float
    slowest_recovery_s: float
    faults: Mapping[str, int]
    rescues: Mapping[str, int]

    @classmethod
    def of(cls, tally: Tally, **others: object) -> Self:
        """Build a report from the tally and the fields that it does not have."""
        return cls(
            requests=tally.total,
            correct=tally.correct,
            pictures=tally.pictures,
            wrong=tally.wrong,
            lost=tally.lost,
            refused=tally.refused,
            failovers=tally.failovers,
            slowest_answer_s=round(tally.slowest_answer_s, 2),
            slowest_recovery_s=round(tally.slowest_recovery_s, 2),
            **others,  # type: ignore[arg-type]
        )

    @property
    def good(self) -> bool:
        """There were correct answers, and nothing was wrong, lost or leaked."""
        return self.correct > 0 and not (self.wrong or self.lost or self.unexpected_exits or self.leaks)

    def table(self) -> str:
        """Return one line for each result, then the details of failures, then the verdict."""
        rows: list[tuple[str, object]] = [
            ("seed", self.seed),
            ("seconds", self.seconds),
            ("requests", self.requests),
            ("correct answers", self.correct),
            ("pictures in them", self.pictures),
            ("wrong answers", sum(self.wrong.values())),
            ("lost requests", sum(self.lost.values())),
            *((f"refused: {why}", number) for why, number in self.refused.items()),
            ("failovers to another web server", self.failovers),
            ("slowest answer, s", self.slowest_answer_s),
            ("elections of another Redis master", self.elections),
            ("slowest recovery after Redis's return or an election, s", self.slowest_recovery_s),
            *((f"fault: {fault}", number) for fault, number in sorted(self.faults.items())),
            *((f"logged: {action}", number) for action, number in self.rescues.items()),
            ("unexpected exits of processes", len(self.unexpected_exits)),
            ("leaked processes, keys and connections", len(self.leaks)),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:{width}}  {value:>8}" for name, value in rows]
        return "\n".join([*lines, *self._details(), "PASSED" if self.good else "FAILED"])

    def _details(self) -> list[str]:
        kinds = [
            [f"wrong, {number} x: {what}" for what, number in self.wrong.items()],
            [f"lost, {number} x: {what}" for what, number in self.lost.items()],
            self.unexpected_exits,
            [f"leaked: {what}" for what in self.leaks],
        ]
        return [line for lines in kinds for line in lines[:DETAILS_SHOWN]]
