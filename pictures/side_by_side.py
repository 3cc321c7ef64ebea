"""Decodes the pictures of one request, a few of them at once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from errors import ClientGone, ServiceError, ServiceUnavailable
from logger import log
from pictures.cell_pool import CellPool

# Cells are first come, first served, so a request waits for at most so many pictures of each of the others.
MAX_AT_ONCE = 4
RETRY_AFTER_S = 1


def decode_all(
    cells: CellPool, uploads: Sequence[bytes], client_gone: Callable[[], bool], deadline: float
) -> list[bytes | ServiceError]:
    """Return the pixels of each picture, or why it has none; see `CellPool.decode`.

    Where the system has no more threads, each picture gets ServiceUnavailable.

    Args:
        cells: decode.
        uploads: the contents of the files.
        client_gone: tells whether the client has hung up; asked by several threads.
        deadline: when the request's time is over, in seconds of `time.monotonic`.

    Raises:
        ClientGone: the client has hung up.
    """

    def decode(upload: bytes) -> bytes | ServiceError:
        try:
            return cells.decode(upload, client_gone, deadline)
        except ClientGone:
            raise
        except ServiceError as error:
            return error.detached()

    if len(uploads) == 1:
        return [decode(uploads[0])]
    at_once = min(MAX_AT_ONCE, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(at_once, thread_name_prefix="decode") as pool:
        try:
            decoded = pool.map(decode, uploads)
        except RuntimeError as error:  # starts threads, and raises nothing of `decode`
            log("no_more_threads", level="error", error=error)
            pool.shutdown(cancel_futures=True)
            refusal = ServiceUnavailable("The server has no threads for this request. Try again soon.", RETRY_AFTER_S)
            return [refusal] * len(uploads)
        return list(decoded)
