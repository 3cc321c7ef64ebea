"""The program that forks cells, on a system that allows no more processes."""

import errno
from typing import NoReturn

from pictures import cell_server


def refuse(_action: object) -> NoReturn:
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


if __name__ == "__main__":
    vars(cell_server)["fork"] = refuse
    cell_server.main()
