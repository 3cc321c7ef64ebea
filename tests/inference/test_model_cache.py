"""A cache of networks that cannot be used costs a worker's start some seconds, and nothing else."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.services import Services, wait_until
from inference import weights
from inference.classifier import load_classifier
from inference.model_cache import ModelCache
from inference.networks import ModelError
from inference.weights import WeightsUnavailable, find_weights
from keras_networks import KERAS_NETWORKS
from pictures.decoding import decode_image
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
