"""Decoding in turns: as many pictures at once as there are cores, since more would only take memory."""

import os
from collections.abc import Callable

from errors import ClientGone, DeadlineExceeded
from helpers import image_to_pixels
from settings import Settings
from turns import Turns

# Who has waited longer than this share of its time would hardly be answered in what is left, and a picture that is
# decoded for nobody makes all behind it late as well.
LONGEST_WAIT_SHARE = 0.5


class Decoder:
    """Makes uploads into pixels; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._shape = (settings.image_width, settings.image_height, settings.image_chans)
        self._max_pixels = settings.max_image_pixels
        self._longest_wait_s = LONGEST_WAIT_SHARE * settings.request_timeout_s
        self._turns = Turns(len(os.sched_getaffinity(0)))

    def pixels(self, upload: bytes, client_gone: Callable[[], bool]) -> bytes:
        """Wait for a turn, and return the picture's pixels as `helpers.image_to_pixels` does.

        Args:
            upload: the file's content.
            client_gone: tells whether nobody wants the answer any more; asked when the turn has come.

        Raises:
            DeadlineExceeded: no turn came within half of a request's time.
            ClientGone: nobody wants the answer.
            BadImage, ImageTooLarge, UnsupportedFormat: see there.
        """
        if not self._turns.take(self._longest_wait_s):
            raise DeadlineExceeded(f"Within {self._longest_wait_s:g} seconds there was no time to decode the picture.")
        try:
            if client_gone():
                raise ClientGone("The client has closed the connection.")
            return image_to_pixels(upload, *self._shape, self._max_pixels)
        finally:
            self._turns.give_back()
