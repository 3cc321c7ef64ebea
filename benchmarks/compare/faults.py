"""What contenders do when a process that computes is killed again and again, and when uploads are broken."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.bench.part import CASTLE
from benchmarks.compare.body_sender import BodySender
from benchmarks.compare.contender import Contender
from benchmarks.costly_pictures import png_of_zeros
from benchmarks.services import wait_until
from clients.load import Load
from clients.report import GOOD

CLIENTS = 8
KILL_INTERVAL_S = 6.0
SUPERVISION_S = 0.5
# A request that has no answer after this time counts as failed.
TIMEOUT_S = 30
RECOVERY_TIMEOUT_S = 60
# Just below 178,956,970 pixels, from which on Pillow refuses by default (Image.MAX_IMAGE_PIXELS, twice).
BOMB_SIDE = 13_000


def kill_repeatedly(contender: Contender, picture: bytes, seconds: float) -> dict[str, Any]:
    """Kill a computing process every few seconds under load; what ends is started again, as a supervisor would.

    Returns:
        how many requests were `answered` and how many `failed` in which way, and whether it was `alive` afterwards.
    """
    stop = threading.Event()
    with BodySender(contender.url, picture, TIMEOUT_S) as sender:
        load = Load(lambda: sender.request().outcome, stop)
        thread = threading.Thread(target=load.closed_loop, args=(CLIENTS, None, seconds))
        thread.start()
        try:
            kills = _kill_while(thread, contender, time.monotonic() + seconds)
        finally:
            stop.set()
            thread.join()
    outcomes = Counter(sample.outcome for sample in load.results.samples)
    answered = outcomes.pop(GOOD, 0)
    return {
        "contender": contender.name,
        "kills": kills,
        "answered": answered,
        "failed": dict(outcomes),
        "alive": _recovers(contender),
    }


def _kill_while(load: threading.Thread, contender: Contender, end: float) -> int:
    """Kill until `end`, then wait for the last answers; return how often."""
    kills = 0
    next_kill = time.monotonic() + KILL_INTERVAL_S
    while load.is_alive():
        load.join(SUPERVISION_S)
        contender.revive()
        if next_kill <= time.monotonic() < end:
            contender.kill_computing()
            kills += 1
            next_kill = time.monotonic() + KILL_INTERVAL_S
    return kills


def _recovers(contender: Contender) -> bool:
    def answers() -> bool:
        contender.revive()
        return contender.answers()

    try:
        wait_until(answers, RECOVERY_TIMEOUT_S)
    except TimeoutError:
        return False
    return True


def send_broken(contender: Contender) -> dict[str, Any]:
    """Send each broken upload; return the status of each, or why there was none, and the seconds it took."""
    return {"contender": contender.name} | {name: _send(contender, make()) for name, make in BROKEN.items()}


def _send(contender: Contender, upload: bytes) -> list[Any]:
    began = time.monotonic()
    with BodySender(contender.url, upload, TIMEOUT_S) as sender:
        outcome = sender.request().outcome
    seconds = round(time.monotonic() - began, 2)
    contender.revive()
    return [outcome, seconds]


def _half_a_jpeg() -> bytes:
    whole = CASTLE.read_bytes()
    return whole[: len(whole) // 2]


BROKEN: dict[str, Callable[[], bytes]] = {
    "nothing": bytes,
    "text": partial(bytes, b"This is not a picture.\n"),
    "half a JPEG": _half_a_jpeg,
    "a PNG of 169 megapixels": partial(png_of_zeros, BOMB_SIDE, bits=1, colour_type=0, row_bytes=BOMB_SIDE // 8),
    "50 MB of zeros": partial(bytes, 50_000_000),
}
