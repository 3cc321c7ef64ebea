"""What decoding reports: declared here, implemented by whoever counts."""

from enum import StrEnum


class Lane(StrEnum):
    """FAST for cheap pictures, SLOW for expensive ones."""

    FAST = "fast"
    SLOW = "slow"


class CellEnd(StrEnum):
    """Why a cell has ended: it took too much TIME, it crashed, or it was KILLED from outside."""

    TIME = "time"
    CRASH = "crash"
    KILLED = "killed"


class DecodingObserver:
    """Reports of the decoding processes. This one ignores them."""

    def decoded(self, lane: Lane, wait_s: float, decode_s: float) -> None:
        """A picture has left a lane, with pixels or an error; the times are of its wait and of its decoding."""

    def picture_decoded(self, picture_pixels: int) -> None:
        """A picture has been decoded; by its header, width x height is `picture_pixels`."""

    def cell_died(self, lane: Lane, end: CellEnd) -> None:
        """A cell has ended in the middle of a picture."""
