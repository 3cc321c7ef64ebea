"""Where networks in OpenVINO's format are kept: MODEL_CACHE_DIR, or for one start a temporary folder."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from inference.checksums import is_intact, seal
from inference.networks import ModelError
from inference.scratch_folder import scratch_folder
from logger import log
from settings import Settings


class ModelCache:
    """Makes each network once; to be used with `with`, until the networks are loaded.

    What is kept is compared with its checksums; what a power loss or a bad disk has damaged is made again.

    Where MODEL_CACHE_DIR cannot be used, because its disk is full or it is read-only, a network goes to a temporary
    folder that is removed at the end of the block, and the log tells.
    """

    def __init__(self, settings: Settings) -> None:
        self._setting = settings.model_cache_dir
        self._temporary = ExitStack()
        self._made: dict[str, Path] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._temporary.close()

    def names(self, prefix: str) -> list[str]:
        """Return the names that begin like this and are kept, the newest last."""
        try:
            found = [folder for folder in self._folder().iterdir() if folder.name.startswith(prefix)]
            return [folder.name for folder in sorted(found, key=lambda folder: folder.stat().st_mtime)]
        except OSError:
            return []

    def get(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of that name, after making it if it is not kept, or damaged.

        Args:
            name: what identifies the content.
            make: fills an empty folder; it raises OSError where that cannot be written, and may be called again then.

        Raises:
            ModelError: it can be written nowhere.
        """
        if name in self._made:
            return self._made[name]
        try:
            folder = self._folder() / name
            if not is_intact(folder):
                _make(folder, make)
        except OSError as error:
            log("model_cache_unusable", level="warning", setting="MODEL_CACHE_DIR", path=self._setting, error=error)
            folder = self._made[name] = self._make_temporary(name, make, error)
        return folder

    def _folder(self) -> Path:
        try:
            return self._setting.expanduser()
        except RuntimeError as error:  # there is no home
            raise OSError(str(error)) from error

    def _make_temporary(self, name: str, make: Callable[[Path], None], cause: OSError) -> Path:
        try:
            parent = self._temporary.enter_context(tempfile.TemporaryDirectory(prefix="classifier-model-"))
            folder = Path(parent) / name
            folder.mkdir()
            make(folder)
        except OSError as error:
            raise ModelError(
                f"MODEL_CACHE_DIR={self._setting} cannot be used ({cause}), nor can the temporary folder ({error})"
            ) from error
        return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    """Make it under another name and rename it when it is complete, unless another worker was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        _remove_damaged(folder)
    with scratch_folder(folder.parent) as scratch:
        make(scratch)
        seal(scratch)
        try:
            scratch.rename(folder)
        except OSError:
            if not is_intact(folder):
                raise


def _remove_damaged(folder: Path) -> None:
    """Remove it, unless another worker has done so, and perhaps has put a new one in its place."""
    with _locked(folder.parent):
        if folder.exists() and not is_intact(folder):
            log("model_cache_damaged", level="warning", setting="MODEL_CACHE_DIR", path=folder)
            shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
