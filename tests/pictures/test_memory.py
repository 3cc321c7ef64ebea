"""How much memory there is, and how many expensive pictures are decoded in it at once."""

import os
from pathlib import Path

import pytest

from pictures.lanes import slow_cells
from pictures.memory import memory_bytes

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
GIB = 1024**3


def write(root: Path, files: dict[str, object]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_a_container_has_what_its_limit_says(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": 123_456_789})
    assert memory_bytes(root) == 123_456_789


def test_the_lowest_limit_of_a_service_and_of_what_holds_it_counts(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "proc/self/cgroup": "0::/system.slice/web.service",
        "sys/fs/cgroup/system.slice/memory.max": 1000,
        "sys/fs/cgroup/system.slice/web.service/memory.max": 2000,
    }
    assert memory_bytes(write(tmp_path, files)) == 1000


def test_limits_of_the_first_version_of_control_groups_count_too(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "proc/self/cgroup": "3:cpu,cpuacct:/a\n2:memory:/docker/b\n0::/",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": 3000,
    }
    assert memory_bytes(write(tmp_path, files)) == 3000


@pytest.mark.parametrize("files", [{}, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "max"}])
def test_without_a_limit_there_is_all_of_the_machine(files: dict[str, object], tmp_path: Path) -> None:
    assert memory_bytes(write(tmp_path, files)) == MACHINE


@pytest.mark.parametrize(
    ("memory", "cores", "web_processes", "count"),
    [
        pytest.param(256 * GIB, 16, 2, 15, id="one less than cores"),
        pytest.param(32 * GIB, 16, 2, 8, id="as many as half of the memory holds"),
        pytest.param(32 * GIB, 16, 8, 2, id="which all processes share"),
        pytest.param(1 * GIB, 16, 2, 1, id="at least one"),
        pytest.param(256 * GIB, 1, 2, 1, id="also on one core"),
    ],
)
def test_expensive_pictures_are_decoded_on_all_cores_but_one_in_half_of_the_memory(
    memory: int, cores: int, web_processes: int, count: int
) -> None:
    assert slow_cells(memory, cores, web_processes) == count
