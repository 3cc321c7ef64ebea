"""Restarts of a web server's processes: at once after a single death, with growing pauses when they die young.

And the signals of their parent process that would otherwise start them anew.
"""

import signal
import time
from collections.abc import Callable

from gunicorn.arbiter import Arbiter

from logger import log

# A process that dies sooner than this after its start has died young.
YOUNG_S = 10
FIRST_PAUSE_S = 1
LONGEST_PAUSE_S = 30
# After that long without such a death, the next one counts as the first: more than the longest pause and a young life.
FORGET_S = 60


class RestartPauses:
    """How long to wait until the next process is started.

    The first young death costs nothing, since anybody may kill a process; the second in a row costs a second, and each
    further one twice as much as the one before it.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deaths = 0
        self._last_death = float("-inf")

    def died(self, started: float) -> None:
        """Take note that a process has ended.

        Args:
            started: when it had been started, by the clock.
        """
        now = self._clock()
        if now - started >= YOUNG_S:
            return
        self._deaths = 1 if now - self._last_death > FORGET_S else self._deaths + 1
        self._last_death = now

    def left_s(self) -> float:
        """Return how long to wait from now on; 0 for not at all."""
        if self._deaths < 2:
            return 0
        # Bounded, since a float has room for 2 ** 1023 only.
        pause = min(FIRST_PAUSE_S * 2.0 ** min(self._deaths - 2, 16), LONGEST_PAUSE_S)
        return max(0.0, self._last_death + pause - self._clock())


class PatientArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's parent process, which looks once a second for processes to start, and here lets some looks pass.

    So nothing waits, and signals are handled meanwhile. `pauses` hears of each end by gunicorn's hook `child_exit`.
    """

    def __init__(self, app: object, pauses: RestartPauses) -> None:
        self._pauses = pauses
        self._is_pausing = False
        super().__init__(app)

    def spawn_workers(self) -> None:
        """Start the processes that are missing, unless there is a pause."""
        left_s = self._pauses.left_s()
        if left_s and not self._is_pausing:
            log("process_restart_paused", level="warning", running=len(self.WORKERS), pause_s=left_s)
        self._is_pausing = left_s > 0
        if not left_s:
            super().spawn_workers()

    def init_signals(self) -> None:
        """Handle signals, except a SIGHUP that is ignored already."""
        on_hang_up = signal.getsignal(signal.SIGHUP)
        super().init_signals()
        if on_hang_up == signal.SIG_IGN:  # it was started by nohup
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_hup(self) -> None:
        """Stop as at SIGTERM: the settings are read only once, so gunicorn has nothing to reload."""
        self.handle_term()

    def handle_usr2(self) -> None:
        """Start no second server beside this one, which keeps its port."""
        log("signal_ignored", level="warning", signal="SIGUSR2")
