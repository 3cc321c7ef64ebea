"""How many requests may be in flight: as many as the service bears, by additive increase and multiplicative decrease.

This is how TCP finds its share of a line: https://www.rfc-editor.org/rfc/rfc5681#section-3.1. Each answer raises the
number a little, so that it grows by one in the time in which all in flight are answered; each refusal halves it.
"""

import threading
import time
from collections.abc import Callable

FIRST_LIMIT = 8
# Between tries where the service says nothing of when to come again, in seconds: the first is for one web server's
# process that has died, and the least whatever the service says, the last for a service that is away.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0


class GaveUp(Exception):
    """The run cannot go on; the message says why."""


class Pace:
    """Lets requests begin; safe to use from many threads.

    Args:
        most: how many may be in flight at most.
        give_up_s: how long the service may answer nothing but refusals, in seconds.
        now: the time, in seconds.
    """

    def __init__(self, most: int, give_up_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._give_up_s = give_up_s
        self._now = now
        self._limit = float(min(FIRST_LIMIT, most))
        self._in_flight = 0
        self._resume_at = self._backed_off_at = self._answered_at = float("-inf")
        # The wait without an answer of the service, and when the last one is over.
        self._wait_s, self._waits_until = 0.0, float("-inf")
        self._trouble: tuple[float, str] | None = None
        self._stopped = threading.Event()
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self._limit)

    @property
    def is_open(self) -> bool:
        """Whether a request may begin now."""
        return self._now() >= self._resume_at and self._in_flight < self.limit

    @property
    def in_flight(self) -> int:
        """How many have begun and not ended."""
        return self._in_flight

    @property
    def trouble(self) -> tuple[float, str] | None:
        """For how many seconds no request has been answered, and why the last one was not; None while all is well."""
        trouble = self._trouble
        return trouble and (self._now() - trouble[0], trouble[1])

    def begin(self) -> float | None:
        """Wait until a request may begin, and return the time then; None once the run ends."""
        with self._changed:
            while not self._stopped.is_set():
                if self.is_open:
                    self._in_flight += 1
                    return self._now()
                pause_s = self._resume_at - self._now()
                self._changed.wait(pause_s if pause_s > 0 else None)
        return None

    def leave(self) -> None:
        """End a request that was not sent."""
        with self._changed:
            self._end()

    def answered(self) -> None:
        """End a request that was answered, whatever the answer says of the picture."""
        with self._changed:
            self._answered_at = self._now()
            self._trouble = None
            self._wait_s, self._waits_until = 0.0, float("-inf")
            self._limit = min(self._most, self._limit + 1 / self._limit)
            self._end()

    def back_off(self, began: float, reason: str, retry_after_s: float | None = None, everyone: bool = False) -> float:
        """End a request that the service has refused or not answered, and halve the number of requests.

        Return how long to wait before it is sent again, in seconds.

        Those that were in flight together count once. A service that is full answers others meanwhile, so only this
        request waits, unless their number is down to one.

        Args:
            began: what `begin` has returned.
            reason: why.
            retry_after_s: when the service wants to be asked again, in seconds.
            everyone: all requests have to wait.

        Raises:
            GaveUp: it has gone on for too long, or the service wants to be asked again too late.
        """
        with self._changed:
            self._end()
            now = self._now()
            since, _ = self._trouble = (self._trouble[0] if self._trouble else now, reason)
            end = since + self._give_up_s
            if now >= end:
                raise GaveUp(f"the service has not classified anything for {now - since:.0f} s: {reason}")
            if retry_after_s is not None and now + retry_after_s > end:
                raise GaveUp(f"the service wants to be asked again in {retry_after_s:.0f} s: {reason}")
            wait_s = self._own_wait_s(now) if retry_after_s is None else max(retry_after_s, FIRST_WAIT_S)
            if began >= self._backed_off_at:
                self._backed_off_at = now
                self._limit = max(1.0, self._limit / 2)
            if everyone or self.limit == 1:
                self._resume_at = max(self._resume_at, now + wait_s)
            return wait_s

    def answered_since(self, began: float) -> bool:
        """Tell whether a request was answered after such a time."""
        return self._answered_at > began

    def be_patient(self) -> None:
        """Let the time after which it gives up begin anew: a picture has failed, so the run has come on."""
        with self._changed:
            if self._trouble:
                self._trouble = (self._now(), self._trouble[1])

    def rest(self, seconds: float) -> None:
        """Wait so long, or until the end of the run."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """Let no more requests begin."""
        with self._changed:
            self._stopped.set()
            self._changed.notify_all()

    def _own_wait_s(self, now: float) -> float:
        """Return the wait of all that come back before it is over, then twice as much, in seconds."""
        if now >= self._waits_until:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S) or FIRST_WAIT_S
            self._waits_until = now + self._wait_s
        return self._wait_s

    def _end(self) -> None:
        self._in_flight -= 1
        # Two, since the limit may have grown.
        self._changed.notify(2)
