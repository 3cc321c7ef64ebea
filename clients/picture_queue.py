"""Which picture is sent next: one to which nobody answered comes after others, so that it does not hold these up."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from clients.classification import Unanswered
from clients.hash_map import HashMap
from clients.pace import Pace
from clients.picture_upload import Picture

# How often a picture is sent to which nobody answers while the service is there.
TRIES = 5


@dataclass
class Turn:
    """A picture that is to be sent; if its row has a problem already, there is nothing to send.

    Attributes:
        picture: the file.
        tries: how often nobody answered to it while the service was there.
    """

    picture: Picture
    tries: int = 0


class PictureQueue:
    """The files of one run; safe to use from many threads.

    A picture to which nobody answered is sent again when another one has been answered, which makes this a try. When
    only such pictures are left, it was a try if the service is ready. After `TRIES` of them the picture has failed.

    Args:
        pictures: as they are found.
        done: those that need not be sent, by `key_of`; it gets all others.
        pace: knows when something was answered.
        is_ready: asks the service whether it is.

    Attributes:
        skipped: how many were done.
    """

    def __init__(self, pictures: Iterator[Picture], done: HashMap, pace: Pace, is_ready: Callable[[], bool]) -> None:
        self._pictures = pictures
        self._done = done
        self._pace = pace
        self._is_ready = is_ready
        self._lock = threading.Lock()
        self._aside: deque[tuple[Turn, Unanswered]] = deque()
        self.skipped = 0

    def next(self) -> Turn | None:
        """Return what to send next; None when nothing is left."""
        with self._lock:
            if self._aside and self._pace.answered_since(self._aside[0][1].began):
                return self._again(*self._aside.popleft(), is_try=True)
            if picture := self._next_new():
                return Turn(picture)
            if not self._aside:
                return None
            turn, unanswered = self._aside.popleft()
        # It may take seconds, so others are let in meanwhile.
        return self._again(turn, unanswered, is_try=self._is_ready())

    def put_aside(self, turn: Turn, unanswered: Unanswered) -> None:
        """Let others go ahead of a picture to which nobody answered."""
        with self._lock:
            self._aside.append((turn, unanswered))

    def _next_new(self) -> Picture | None:
        for picture in self._pictures:
            if self._done.put(*picture.key):
                return picture
            self.skipped += 1
        return None

    def _again(self, turn: Turn, unanswered: Unanswered, is_try: bool) -> Turn:
        turn.tries += is_try
        if turn.tries == TRIES:
            turn.picture = replace(turn.picture, row=unanswered.row)
            self._pace.be_patient()
        return turn
