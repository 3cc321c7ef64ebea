"""Gives memory back to the system after a burst of requests.

malloc keeps what requests have freed, for the next ones: without that each picture would cost hundreds of page faults.
But it keeps what a burst has needed, too, between the few blocks in the middle of its heaps that are still in use.
"""

import ctypes
import resource
from pathlib import Path

# What may be kept: more than the requests of a busy moment need again and again.
KEPT_BYTES = 64 * 1024 * 1024
_STATM = Path("/proc/self/statm")
_FIELDS = "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"


class _Mallinfo2(ctypes.Structure):
    """See mallinfo2(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


class SpareMemory:
    """What malloc has taken from the system and nobody uses; does nothing where the C library is another than glibc."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._is_known = hasattr(self._libc, "mallinfo2") and hasattr(self._libc, "malloc_trim")
        if self._is_known:
            self._libc.mallinfo2.restype = _Mallinfo2
            self._libc.malloc_trim.argtypes = [ctypes.c_size_t]
        # Code, stacks, and what Python takes without malloc look like it, and cannot be given back.
        self._least = self._bytes()

    def give_back(self) -> None:
        """Give it back if it has become much; takes a quarter of a millisecond otherwise."""
        spare = self._bytes()
        if spare > self._least + KEPT_BYTES:
            self._libc.malloc_trim(0)
            self._least = self._bytes()
        else:
            self._least = min(self._least, spare)

    def _bytes(self) -> int:
        if not self._is_known:
            return 0
        resident = int(_STATM.read_text().split()[1]) * resource.getpagesize()
        used = self._libc.mallinfo2()
        return resident - int(used.uordblks + used.hblkhd)
