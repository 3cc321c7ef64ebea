"""ImageNet weights of Keras's networks: its own copy, or a download bounded in time that shows its progress."""

import hashlib
import os
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import requests
import urllib3

from keras_networks import WeightsFile
from logger import log

# How long the host may take until it answers at all: the resolver, and each of its many addresses, have time-outs of
# their own, which add up to minutes where there is no route to them.
ANSWER_TIMEOUT_S = 8
READ_TIMEOUT_S = 10
CHUNK_BYTES = 1 << 20
SHA256_DIGITS = 64


class WeightsUnavailable(Exception):
    """The weights are not on this machine and could not be downloaded."""


def find_weights(weights: WeightsFile, timeout_s: float) -> Path:
    """Return the file of the weights, after downloading it if Keras's cache does not have it.

    Args:
        weights: which ones. Only a download is compared with their checksum: a file that is already in the cache is
            taken as it is, so that other weights can be put there.
        timeout_s: how long the download may take, in seconds.

    Raises:
        WeightsUnavailable: there is no such file, and it could not be downloaded in that time.
    """
    try:
        path = keras_home() / "models" / weights.name
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(f"could not be looked for: {error}; set KERAS_HOME") from error
    url = weights.url
    log("download_started", url=url, path=path, answer_timeout_s=ANSWER_TIMEOUT_S, timeout_s=timeout_s)
    try:
        _download(url, path, weights.checksum, timeout_s)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        log("download_failed", level="warning", url=url, error=error)
        raise WeightsUnavailable(f"could not be downloaded from {url}; put the file at {path}") from error
    log("download_done", path=path)
    return path


def keras_home() -> Path:
    """Return the folder in which Keras keeps its downloads.

    Raises:
        RuntimeError: it is in the home of somebody who has none.
    """
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


def _download(url: str, path: Path, expected: str, timeout_s: float) -> None:
    """Write the file under another name and rename it when it is complete and correct."""
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + timeout_s
    with (
        _open(url, min(ANSWER_TIMEOUT_S, timeout_s)) as response,
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        (Path(folder) / path.name).open("wb") as part,
    ):
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0))
        checksum = hashlib.new("sha256" if len(expected) == SHA256_DIGITS else "md5", usedforsecurity=False)
        done = shown = 0
        # read1 returns what has come, however little, so that the time is checked again and again.
        while chunk := response.raw.read1(CHUNK_BYTES):
            part.write(chunk)
            checksum.update(chunk)
            done += len(chunk)
            if total and done * 10 // total > shown:
                shown = done * 10 // total
                log("download_progress", percent=shown * 10, mebibytes=done >> 20)
            if time.monotonic() > end:
                raise TimeoutError(f"the download took longer than {timeout_s:g} s")
        if total and done != total:
            raise OSError(f"the download ended after {done} of {total} bytes")
        if expected and checksum.hexdigest() != expected:
            raise OSError("the downloaded file has the wrong checksum")
        part.flush()
        os.replace(part.name, path)


def _open(url: str, timeout_s: float) -> requests.Response:
    """Return the response, whose body is still to be read.

    Raises:
        TimeoutError: the host has not answered in that time.
        OSError: it cannot be reached.
    """
    outcome: SimpleQueue[requests.Response | OSError] = SimpleQueue()

    def request() -> None:
        try:
            outcome.put(requests.get(url, stream=True, timeout=(timeout_s, READ_TIMEOUT_S)))
        except OSError as error:  # such as RequestException, or a REQUESTS_CA_BUNDLE that is not there
            outcome.put(error)

    # A daemon, since nothing interrupts a resolver; it ends by itself, with the process at the latest.
    threading.Thread(target=request, name="download", daemon=True).start()
    try:
        result = outcome.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    if isinstance(result, OSError):
        raise result
    return result
