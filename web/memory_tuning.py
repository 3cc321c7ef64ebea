"""malloc and garbage collector tuning."""

import contextlib
import ctypes
import gc

# glibc maps blocks above the first limit separately, and returns them to the system as soon as they are freed; free
# memory at the end of a heap above the second limit is returned, too. By default glibc raises the first limit to 32 MB
# as it goes and keeps what is smaller, for each thread anew: gigabytes, when many threads have decoded large pictures.
# The castle's 800 x 480 pixels are below the first limit, so their memory is reused for the next such picture.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MMAP_THRESHOLD_BYTES = 2 * 1024 * 1024
TRIM_THRESHOLD_BYTES = 8 * 1024 * 1024
# Python's default is 700. A request's objects hold hardly any cycles, but looking for them cost 3 % of its time.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def tune_malloc() -> None:
    """Return large blocks to the system, but keep those that the next picture will need."""
    with contextlib.suppress(AttributeError):  # where the C library is another one
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)


def tune_garbage_collector() -> None:
    """Exclude what exists now from garbage collection, and collect less often."""
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
