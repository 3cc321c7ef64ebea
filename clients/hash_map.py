"""A map of many hashes in little memory: tables with open addressing, 18 to 36 bytes for each."""

from array import array

# A power of 2, as are all sizes of the tables.
FIRST_SLOTS = 1024


class HashMap:
    """Remembers a number of 32 bits for each of 64 bits; these are distributed evenly, and never 0.

    A dictionary of Python's own takes more than 100 bytes for each.
    """

    def __init__(self) -> None:
        self._keys, self._values = _empty(FIRST_SLOTS)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return len(self._keys) * (self._keys.itemsize + self._values.itemsize)

    def put(self, key: int, value: int) -> bool:
        """Remember a value, and tell whether it is another one than before."""
        slot = self._find(key)
        if self._keys[slot] and self._values[slot] == value:
            return False
        self._count += not self._keys[slot]
        self._keys[slot], self._values[slot] = key, value
        # Up to two thirds, most searches end at their first or second slot.
        if 3 * self._count > 2 * len(self._keys):
            self._grow()
        return True

    def _find(self, key: int) -> int:
        """Return where the key is, or else the free slot where it belongs."""
        keys, mask = self._keys, len(self._keys) - 1
        slot = key & mask
        while keys[slot] not in (0, key):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        pairs = zip(self._keys, self._values, strict=True)
        self._keys, self._values = _empty(2 * len(self._keys))
        for key, value in pairs:
            if key:
                slot = self._find(key)
                self._keys[slot], self._values[slot] = key, value


def _empty(slots: int) -> tuple["array[int]", "array[int]"]:
    return array("Q", bytes(8 * slots)), array("I", bytes(4 * slots))
