"""The command line: every script and every make target has a help text."""

import re
import subprocess

import pytest

from benchmarks.services import run_script
from project import PROJECT_DIR

SCRIPTS = [
    path
    for folder in ("", "benchmarks/", "tools/")
    for path in sorted(PROJECT_DIR.glob(f"{folder}*.py"))
    if 'if __name__ == "__main__"' in path.read_text()
]
COMMANDS = [
    [path.name] if path.parent == PROJECT_DIR else ["-m", f"{path.parent.name}.{path.stem}"] for path in SCRIPTS
] + [["-m", "benchmarks.bench"]]
HEAVY = {"keras", "openvino", "tensorflow"}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_script_has_help_with_examples_and_shows_it_without_loading_a_network(command: list[str]) -> None:
    done = run_script(*command, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage:")
    assert re.search(rf"^ *(\w+=\S+ )*python {re.escape(' '.join(command))}", done.stdout, re.MULTILINE), done.stdout
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & HEAVY


def test_make_help_lists_every_target() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (PROJECT_DIR / "Makefile").read_text(), re.MULTILINE)
    assert targets
    shown = subprocess.check_output(["make", "help"], cwd=PROJECT_DIR, text=True)
    assert sorted(re.findall(r"^(\w+) +\w", shown, re.MULTILINE)) == sorted(targets[1].split())
