"""The decoder: how long requests wait for a free core."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.services import wait_until
from errors import DeadlineExceeded
from pictures import decoder as decoding
from pictures.decoder import Decoder
from tests.conftest import MakeSettings


def test_a_request_that_has_waited_for_half_of_its_time_is_not_decoded(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(os.sched_getaffinity(0))
    in_flight: list[int] = []
    release = threading.Event()

    def decode(*_: object) -> bytes:
        in_flight.append(1)
        release.wait(10)
        return b""

    monkeypatch.setattr(decoding, "decode_image", decode)
    decoder = Decoder(make_settings(request_timeout_s=0.2))
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(cores):
            pool.submit(decoder.decode, b"", lambda: False)
        wait_until(lambda: len(in_flight) == cores)
        with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
            decoder.decode(b"", lambda: False)
        release.set()
    assert len(in_flight) == cores
