"""A short run of what `make folder` does for longer."""

import threading
from pathlib import Path

from benchmarks.folder import FolderRun, folder_fleet

FILES = 400


def test_a_folder_is_classified_once_and_right_whatever_breaks(
    tmp_path: Path, colour_network: dict[str, object]
) -> None:
    with folder_fleet(tmp_path, colour_network) as fleet:
        report = FolderRun(fleet, tmp_path, FILES).run(threading.Event())
    assert report.good, report.table()
    assert report.check.lines == FILES
