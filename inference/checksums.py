"""The checksums of a folder's files, kept beside them: they tell whether the files are still what was written."""

import hashlib
from pathlib import Path

# In the format of the command `sha256sum`.
LIST = "SHA256SUMS"


def seal(folder: Path) -> None:
    """Write the list of a folder whose files are complete."""
    (folder / LIST).write_bytes(_checksums(folder))


def is_intact(folder: Path) -> bool:
    """Tell whether the folder was sealed, and has the same files since then.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return (folder / LIST).read_bytes() == _checksums(folder)
    except FileNotFoundError:
        return False


def _checksums(folder: Path) -> bytes:
    files = sorted(file for file in folder.iterdir() if file.name != LIST)
    return "".join(f"{_sha256(file)}  {file.name}\n" for file in files).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
