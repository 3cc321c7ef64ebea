"""How a process holds on to memory, so that it is neither asked of the system for each request nor kept for good."""

import contextlib
import ctypes
import gc

# Blocks of this size go back to the system as soon as they are free, and so does what lies free at the end of a heap
# when it is more than that. Left to itself, glibc raises the first limit to 32 MB as it goes and keeps what is smaller,
# for each thread anew: gigabytes, when many threads have decoded large pictures.
# The castle's 800 x 480 pixels are smaller than the first limit, and lie ready for the next such picture.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BLOCK_BYTES = 2 * 1024 * 1024
KEPT_FREE_BYTES = 8 * 1024 * 1024
# Python's own figure is 700. What a request makes holds hardly any cycles, but looking for them cost 3 % of its time.
ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def keep_memory_for_pictures() -> None:
    """Give large blocks back to the system, but keep those that the next picture will need."""
    with contextlib.suppress(AttributeError):  # where the C library is another one
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_FREE_BYTES)


def spare_the_collector() -> None:
    """Have Python's garbage collector leave alone what is there now, and look at the rest less often."""
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BETWEEN_COLLECTIONS)
