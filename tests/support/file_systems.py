"""Commands that see other file systems than we do: small, full or read-only ones, which vanish with them."""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest


def in_own_mounts(mounts: Mapping[Path, str], command: Sequence[str]) -> list[str]:
    """Return the command such that it runs with these mounted, in a namespace of its own.

    Args:
        mounts: by folder, `mount`'s options of a tmpfs, such as `size=64k`, or `bind,ro` to make a folder read-only.
        command: what to run.
    """
    _skip_without_permission()
    lines = []
    for folder, options in mounts.items():
        place = shlex.quote(str(folder))
        if options == "bind,ro":
            lines += [f"mount --bind {place} {place}", f"mount -o remount,bind,ro {place}"]
        else:
            lines.append(f"mount -t tmpfs -o {options} none {place}")
    script = " && ".join([*lines, f"exec {shlex.join(command)}"])
    return ["unshare", "--mount", "sh", "-c", script]


def python_in_own_mounts(mounts: Mapping[Path, str], *arguments: str) -> list[str]:
    """Return such a command that runs this Python."""
    return in_own_mounts(mounts, [sys.executable, *arguments])


def _skip_without_permission() -> None:
    if reason := _refusal():
        pytest.skip(f"file systems cannot be mounted here: {reason}")


@cache
def _refusal() -> str:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stderr
    except FileNotFoundError as error:
        return str(error)
