"""A set of many hashes in little memory: a table with open addressing, 12 to 24 bytes each."""

from array import array

# A power of 2, as are all sizes of the table.
FIRST_SLOTS = 1024


class HashSet:
    """Remembers numbers of 64 bits that are distributed evenly, except 0.

    A set of Python's own takes about 100 bytes for each.
    """

    def __init__(self) -> None:
        self._slots = _empty(FIRST_SLOTS)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return self._slots.itemsize * len(self._slots)

    def add(self, number: int) -> bool:
        """Remember a number, and tell whether it is new."""
        slot = self._find(number)
        if self._slots[slot]:
            return False
        self._slots[slot] = number
        self._count += 1
        # Up to two thirds, most searches end at their first or second slot.
        if 3 * self._count > 2 * len(self._slots):
            self._grow()
        return True

    def _find(self, number: int) -> int:
        """Return where the number is, or else the free slot where it belongs."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = number & mask
        while slots[slot] not in (0, number):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        numbers = self._slots
        self._slots = _empty(2 * len(numbers))
        for number in numbers:
            if number:
                self._slots[self._find(number)] = number


def _empty(slots: int) -> "array[int]":
    return array("Q", bytes(8 * slots))
