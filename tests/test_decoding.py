"""What the decoder promises requests that wait for it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import decoding
from decoding import Decoder
from errors import DeadlineExceeded
from tests.conftest import MakeSettings
from tests.services import wait_until


def test_who_has_waited_half_of_its_time_is_not_decoded_too_late_for_an_answer(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(os.sched_getaffinity(0))
    under_way: list[int] = []
    release = threading.Event()

    def decode(*_: object) -> bytes:
        under_way.append(1)
        release.wait(10)
        return b""

    monkeypatch.setattr(decoding, "image_to_pixels", decode)
    decoder = Decoder(make_settings(request_timeout_s=0.2))
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(cores):
            pool.submit(decoder.pixels, b"", lambda: False)
        wait_until(lambda: len(under_way) == cores)
        with pytest.raises(DeadlineExceeded, match=r"Within 0\.1 seconds"):
            decoder.pixels(b"", lambda: False)
        release.set()
    assert len(under_way) == cores
