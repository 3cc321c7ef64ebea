"""A cache of networks that is damaged or cannot be used costs a worker's start some seconds, and nothing else."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.services import Services, wait_until
from inference import weights
from inference.classifier import load_classifier
from inference.model_cache import ModelCache
from inference.networks import ModelError, resolve_network
from inference.openvino_export import ensure_exported
from inference.weights import WeightsUnavailable, find_weights
from keras_networks import KERAS_NETWORKS
from pictures.decoding import decode_image
from project import PROJECT_DIR
from settings import Settings
from tests.conftest import OPTIONS, MakeSettings, picture
from tests.support.file_systems import python_in_own_mounts


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def settings(colour_settings: MakeSettings) -> Settings:
    return colour_settings()


def a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


def nobodys_home(_folder: Path) -> Path:
    return Path("~no-such-user/cache")


@pytest.mark.parametrize("where", [a_file, nobodys_home])
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_worker_computes_without_the_cache_and_leaves_nothing_behind(
    where: Callable[[Path], Path],
    precision: str,
    colour_settings: MakeSettings,
    temporary_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for colour in ("red", "blue"):
        (pictures / f"{colour}.png").write_bytes(picture(colour))
    caplog.set_level("WARNING", "service")
    cache = where(tmp_path)
    classifier = load_classifier(
        colour_settings(model_cache_dir=cache, precision=precision, calibration_dir=pictures, engine="openvino")
    )
    (top,) = classifier.predict([decode_image(picture("red"), OPTIONS)])
    assert top[0].label == "red"
    unusable = [record for record in caplog.records if record.getMessage() == "model_cache_unusable"]
    assert {record.__dict__["fields"]["setting"] for record in unusable} == {"MODEL_CACHE_DIR"}
    assert list(temporary_folder.iterdir()) == []


def test_the_fingerprint_does_not_depend_on_where_the_network_is_kept(
    colour_settings: MakeSettings, tmp_path: Path
) -> None:
    kept, not_kept = (
        load_classifier(colour_settings(model_cache_dir=folder)) for folder in (tmp_path / "cache", a_file(tmp_path))
    )
    assert kept.fingerprint == not_kept.fingerprint


def test_a_network_that_can_be_written_nowhere_is_an_error_that_names_the_setting(
    make_settings: MakeSettings, temporary_folder: Path, tmp_path: Path
) -> None:
    temporary_folder.rmdir()
    settings = make_settings(model_cache_dir=a_file(tmp_path))
    with ModelCache(settings) as cache, pytest.raises(ModelError, match=r"^MODEL_CACHE_DIR=.* cannot be used \("):
        cache.get("network", lambda folder: (folder / "model").touch())


def write_network(folder: Path) -> None:
    (folder / "model.xml").write_text("layers")
    (folder / "model.bin").write_bytes(bytes(range(256)))


def is_whole(folder: Path) -> bool:
    return (folder / "model.xml").read_text() == "layers" and (folder / "model.bin").read_bytes() == bytes(range(256))


def cut(folder: Path) -> None:
    os.truncate(folder / "model.bin", 100)


def empty(folder: Path) -> None:
    os.truncate(folder / "model.xml", 0)


def remove_weights(folder: Path) -> None:
    (folder / "model.bin").unlink()


def remove_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def put_zeros_inside(folder: Path) -> None:
    with (folder / "model.bin").open("r+b") as file:
        file.seek(128)
        file.write(bytes(64))


def zero_all(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(bytes(file.stat().st_size))


DAMAGES = [cut, empty, remove_weights, remove_all, put_zeros_inside, zero_all]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_network_is_made_again_once_and_the_log_names_its_folder(
    damage: Callable[[Path], None], make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ModelCache(make_settings(model_cache_dir=tmp_path)) as cache:
        folder = cache.get("network", write_network)
        damage(folder)
        assert cache.get("network", write_network) == folder
        assert is_whole(folder)
        assert cache.get("network", lambda _: pytest.fail("it is kept")) == folder
    (record,) = (record for record in caplog.records if record.getMessage() == "model_cache_damaged")
    assert record.__dict__["fields"] == {"setting": "MODEL_CACHE_DIR", "path": folder}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_worker_whose_kept_weights_have_become_zeros_names_the_right_classes(
    colour_settings: MakeSettings, model_cache: Path, tmp_path: Path
) -> None:
    settings = colour_settings(engine="openvino")
    with ModelCache(settings) as cache:
        kept = ensure_exported(resolve_network(settings), settings, cache).parent
    damaged = tmp_path / kept.name
    shutil.copytree(kept, damaged)
    weights_file = damaged / "model.bin"
    weights_file.write_bytes(bytes(weights_file.stat().st_size))
    classifier = load_classifier(colour_settings(engine="openvino", model_cache_dir=tmp_path))
    (top,) = classifier.predict([decode_image(picture("red"), OPTIONS)])
    assert top[0].label == "red"


def test_workers_that_start_together_on_a_damaged_network_all_get_a_whole_one(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    rounds, workers = 30, 4
    together = threading.Barrier(workers)

    def start() -> bool:
        together.wait(30)
        with ModelCache(make_settings(model_cache_dir=tmp_path)) as cache:
            folder = cache.get("network", write_network)
            return folder.parent == tmp_path and is_whole(folder)

    with ThreadPoolExecutor(workers) as pool:
        for _ in range(rounds):
            assert [future.result() for future in [pool.submit(start) for _ in range(workers)]] == [True] * workers
            cut(tmp_path / "network")


# A cache of which the first argument is the folder; prints whether the network from it is whole.
GET_NETWORK = """
import sys
from pathlib import Path
from inference.model_cache import ModelCache
from settings import Settings
from tests.inference.test_model_cache import is_whole, write_network
with ModelCache(Settings(model_cache_dir=Path(sys.argv[1]))) as cache:
    print(is_whole(cache.get("network", write_network)))
"""


@pytest.mark.may_skip_in_ci
def test_a_damaged_network_in_a_read_only_cache_is_made_in_the_temporary_folder(
    make_settings: MakeSettings, temporary_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    with ModelCache(make_settings(model_cache_dir=folder)) as cache:
        cut(cache.get("network", write_network))
    command = python_in_own_mounts({folder: "bind,ro"}, "-c", GET_NETWORK, str(folder))
    environment = os.environ | {"TMPDIR": str(temporary_folder)}
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True)
    assert done.stdout == "True\n"
    assert re.search(r"model_cache_damaged\n(.*\n)*model_cache_unusable", done.stderr)
    assert list(temporary_folder.iterdir()) == []


def test_without_a_home_the_weights_are_unavailable_and_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_HOME", "~no-such-user/keras")
    monkeypatch.setattr(weights, "_download", lambda *_: pytest.fail("it must not get so far"))
    with pytest.raises(WeightsUnavailable, match="set KERAS_HOME"):
        find_weights(KERAS_NETWORKS["ResNet50"].weights, timeout_s=1)


@pytest.mark.may_skip_in_ci
@pytest.mark.parametrize("options", ["size=4k", "bind,ro"])
def test_a_worker_starts_where_the_cache_is_full_or_read_only(options: str, services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    command = python_in_own_mounts({folder: options}, "run_model_server.py")
    worker = services.start_command(command, MODEL_CACHE_DIR=folder / "cache")
    wait_until(lambda: "worker_started" in worker.output or worker.popen.poll() is not None)
    assert "model_cache_unusable level=warning setting=MODEL_CACHE_DIR" in worker.output
    assert "Traceback" not in worker.output
    assert worker.stop() == 0


@pytest.mark.may_skip_in_ci
def test_a_worker_without_any_room_ends_with_one_line_that_names_the_setting(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    folders = [tmp_path / "temporary", tmp_path / "home"]
    for folder in folders:
        folder.mkdir()
    command = python_in_own_mounts(dict.fromkeys(folders, "size=8k"), "run_model_server.py")
    worker = services.start_command(command, MODEL_CACHE_DIR=folders[1] / "cache")
    assert worker.popen.wait(120) == 1
    assert worker.output.count("model_unavailable level=error") == 1
    assert "MODEL_CACHE_DIR=" in worker.output.splitlines()[-1]
    assert re.search("is the disk full|No space left on device", worker.output.splitlines()[-1])
    assert "Traceback" not in worker.output
