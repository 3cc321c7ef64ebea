"""Decodes uploads first come, first served: as many at once as there are cores, since more would only take memory."""

import os
from collections.abc import Callable

from errors import ClientGone, DeadlineExceeded
from pictures.decoding import DecodingOptions, decode_image
from pictures.fair_semaphore import FairSemaphore
from settings import Settings

# A request that has waited longer than this share of its time would hardly be answered in the rest of it, and decoding
# a picture for nobody delays all requests behind it.
MAX_WAIT_SHARE = 0.5


class Decoder:
    """Decodes uploads; safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._options = DecodingOptions.of(settings)
        self._max_wait_s = MAX_WAIT_SHARE * settings.request_timeout_s
        self._semaphore = FairSemaphore(len(os.sched_getaffinity(0)))

    def decode(self, upload: bytes, client_gone: Callable[[], bool]) -> bytes:
        """Wait for a free core, and return the picture's pixels as `decoding.decode_image` does.

        Args:
            upload: the file's content.
            client_gone: tells whether the client has hung up; asked after the wait.

        Raises:
            DeadlineExceeded: decoding did not start within half of a request's time.
            ClientGone: the client has hung up.
            BadImage, ImageTooLarge, UnsupportedFormat: see there.
        """
        if not self._semaphore.acquire(self._max_wait_s):
            raise DeadlineExceeded(f"The server is overloaded: decoding did not start within {self._max_wait_s:g} s.")
        try:
            if client_gone():
                raise ClientGone("The client has closed the connection.")
            return decode_image(upload, self._options)
        finally:
            self._semaphore.release()
