"""Networks are made in folders that do not outlive their workers, and are not removed before."""

import subprocess
import sys
from pathlib import Path

import pytest

from inference.model_cache import ModelCache
from inference.scratch_folder import PREFIX
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import MakeSettings

# A worker that never ends making its network, in the cache that the first argument names.
MAKE_FOR_EVER = """
import sys
from pathlib import Path
from inference.model_cache import ModelCache
from settings import Settings

def make(folder):
    (folder / "graph.pb").write_bytes(bytes(1000))
    print("making", flush=True)
    sys.stdin.read()

with ModelCache(Settings(model_cache_dir=Path(sys.argv[1]))) as cache:
    cache.get("network", make)
"""


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    return make_settings(model_cache_dir=tmp_path)


def make_network(settings: Settings, name: str) -> None:
    with ModelCache(settings) as cache:
        folder = cache.get(name, lambda folder: (folder / "model.xml").touch())
    assert folder == settings.model_cache_dir / name


def scratch_folders(cache: Path) -> list[Path]:
    return [folder for folder in cache.iterdir() if folder.name.startswith(PREFIX)]


def test_what_a_worker_has_begun_is_removed_when_it_was_killed_and_not_before(
    settings: Settings, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", MAKE_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"making\n"
        make_network(settings, "second")
        assert [file.name for file in tmp_path.glob(f"{PREFIX}*/*/*")] == ["graph.pb"]
        worker.kill()
    assert scratch_folders(tmp_path)
    make_network(settings, "third")
    assert scratch_folders(tmp_path) == []


def test_a_folder_that_another_worker_has_made_but_not_locked_yet_is_kept(settings: Settings, tmp_path: Path) -> None:
    new = tmp_path / f"{PREFIX}new"
    new.mkdir()
    make_network(settings, "network")
    assert scratch_folders(tmp_path) == [new]
