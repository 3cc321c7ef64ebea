"""ResNet50's ImageNet weights: from Keras's cache, or by a download bounded in time that shows its progress."""

import hashlib
import os
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import requests
import urllib3

from logger import log

# Address and MD5 as in keras/src/applications/resnet.py (3.15); the name is the one that Keras gives its copy.
RESNET50_NAME = "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
RESNET50_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{RESNET50_NAME}"
RESNET50_MD5 = "2cb95161c43110f7111970584f804107"

# How long the host may take until it answers at all: the resolver, and each of its many addresses, have time-outs of
# their own, which add up to minutes where there is no route to them.
ANSWER_TIMEOUT_S = 8
READ_TIMEOUT_S = 10
CHUNK_BYTES = 1 << 20


class WeightsUnavailable(Exception):
    """The weights are not on this machine and could not be downloaded."""


def resnet50_weights(timeout_s: float, url: str = RESNET50_URL, md5: str = RESNET50_MD5) -> Path:
    """Return the file of the weights, after downloading it if Keras's cache does not have it.

    Args:
        timeout_s: how long the download may take, in seconds.
        url: where the file is.
        md5: the checksum of the downloaded file. A file that is already in the cache is taken as it is, so that other
            weights can be put there.

    Raises:
        WeightsUnavailable: there is no such file, and it could not be downloaded in that time.
    """
    try:
        path = keras_home() / "models" / RESNET50_NAME
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:
        raise WeightsUnavailable(f"could not be looked for: {error}; set KERAS_HOME") from error
    log("download_started", url=url, path=path, answer_timeout_s=ANSWER_TIMEOUT_S, timeout_s=timeout_s)
    try:
        _download(url, path, md5, timeout_s)
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


def _download(url: str, path: Path, md5: str, timeout_s: float) -> None:
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
        checksum = hashlib.md5(usedforsecurity=False)
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
        if checksum.hexdigest() != md5:
            raise OSError("the downloaded file has the wrong checksum")
        part.flush()
        os.replace(part.name, path)


def _open(url: str, timeout_s: float) -> requests.Response:
    """Return the response, whose body is still to be read.

    Raises:
        TimeoutError: the host has not answered in that time.
        requests.RequestException: it cannot be reached.
    """
    outcome: SimpleQueue[requests.Response | requests.RequestException] = SimpleQueue()

    def request() -> None:
        try:
            outcome.put(requests.get(url, stream=True, timeout=(timeout_s, READ_TIMEOUT_S)))
        except requests.RequestException as error:
            outcome.put(error)

    # A daemon, since nothing interrupts a resolver; it ends by itself, with the process at the latest.
    threading.Thread(target=request, name="download", daemon=True).start()
    try:
        result = outcome.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError(f"no answer within {timeout_s:g} s") from None
    if isinstance(result, requests.RequestException):
        raise result
    return result
