"""What a chaos run has shown, as figures and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from benchmarks.outcomes import Outcomes

# Of each kind of what was bad.
DETAILS_SHOWN = 10


@dataclass(frozen=True)
class Figures:
    """All of it; what must be empty is from `wrong` to `left_behind`.

    Attributes:
        wrong: answers that were not the right ones, and how often.
        lost: requests that were neither answered nor refused for a good reason, and how often.
        bad_ends: processes that ended by themselves, or not with 0.
        left_behind: processes, keys and connections.
        refused: 503 during an outage, by the service's words.
        moved: how often a client found its web server gone.
        slowest_answer_s: the longest that a right answer took.
        slowest_recovery_s: the longest time from Redis's return to the next right answer.
        actions: what the monkey has done, and how often.
        rescues: how often a web server found a job or an answer lost and helped, by its words in the log.
    """

    seconds: float
    seed: int
    requests: int
    right: int
    wrong: Mapping[str, int]
    lost: Mapping[str, int]
    bad_ends: list[str]
    left_behind: list[str]
    refused: Mapping[str, int]
    moved: int
    slowest_answer_s: float
    slowest_recovery_s: float
    actions: Mapping[str, int]
    rescues: Mapping[str, int]

    @classmethod
    def of(cls, outcomes: Outcomes, **others: object) -> Self:
        """Build them from what became of the requests, and all that is not in there."""
        return cls(
            requests=outcomes.total,
            right=outcomes.right,
            wrong=outcomes.wrong,
            lost=outcomes.lost,
            refused=outcomes.refused,
            moved=outcomes.moved,
            slowest_answer_s=round(outcomes.slowest_answer_s, 2),
            slowest_recovery_s=round(outcomes.slowest_recovery_s, 2),
            **others,  # type: ignore[arg-type]
        )

    @property
    def good(self) -> bool:
        """Nothing was wrong, lost or left behind, and there was something to answer."""
        return self.right > 0 and not (self.wrong or self.lost or self.bad_ends or self.left_behind)

    def table(self) -> str:
        """Return the figures one a line, then the details of what was bad, then the verdict."""
        rows: list[tuple[str, object]] = [
            ("seed", self.seed),
            ("seconds", self.seconds),
            ("requests", self.requests),
            ("answered right", self.right),
            ("answered wrong", sum(self.wrong.values())),
            ("lost", sum(self.lost.values())),
            *((f"refused: {why}", number) for why, number in self.refused.items()),
            ("moved to another web server", self.moved),
            ("slowest answer, s", self.slowest_answer_s),
            ("slowest recovery from Redis's return, s", self.slowest_recovery_s),
            *sorted(self.actions.items()),
            *((f"logged: {action}", number) for action, number in self.rescues.items()),
            ("processes that ended badly", len(self.bad_ends)),
            ("left behind", len(self.left_behind)),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:{width}}  {value:>8}" for name, value in rows]
        return "\n".join([*lines, *self._details(), "PASSED" if self.good else "FAILED"])

    def _details(self) -> list[str]:
        kinds = [
            [f"wrong, {number} x: {what}" for what, number in self.wrong.items()],
            [f"lost, {number} x: {what}" for what, number in self.lost.items()],
            self.bad_ends,
            [f"left behind: {what}" for what in self.left_behind],
        ]
        return [line for lines in kinds for line in lines[:DETAILS_SHOWN]]
