"""The house: what lies in the root, who may import whom, one version, and a lock that agrees with its ranges."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from benchmarks.services import run_script
from project import PROJECT_DIR, VERSION

ENTRY_POINTS = ["classify.py", "run_model_server.py", "run_web_server.py", "simple_request.py", "stress_test.py"]
BASE = {
    "errors": set(),
    "helpers": set(),
    "keras_networks": set(),
    "listener": set(),
    "log_output": set(),
    "logger": {"log_output"},
    "project": set(),
    "redis_url": set(),
    "settings": {"helpers", "keras_networks", "project", "redis_url"},
}
# The ranges that people read, and the exact versions that are installed.
LOCKS = {
    "requirements.lock": ["requirements.txt"],
    "requirements-dev.lock": [
        "requirements.txt",
        "requirements-int8.txt",
        "requirements-tracing.txt",
        "requirements-dev.txt",
    ],
}


def pyproject() -> dict[str, dict[str, object]]:
    return tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())


def test_the_root_holds_what_people_start_and_what_everything_knows() -> None:
    assert sorted(path.name for path in PROJECT_DIR.glob("*.py")) == sorted([*ENTRY_POINTS, *(f"{m}.py" for m in BASE)])


@pytest.mark.parametrize("script", ENTRY_POINTS)
def test_an_entry_point_is_thin(script: str) -> None:
    assert len((PROJECT_DIR / script).read_text().splitlines()) < 60


@pytest.mark.parametrize("module", BASE)
def test_the_base_knows_nothing_of_ours(module: str) -> None:
    ours = {path.stem for path in PROJECT_DIR.glob("*.py")} | {path.parent.name for path in PROJECT_DIR.glob("*/*.py")}
    tree = ast.parse((PROJECT_DIR / f"{module}.py").read_text())
    imported = {
        node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    imported |= {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported & ours <= BASE[module]


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [f"{sys.prefix}/bin/lint-imports", str(PROJECT_DIR / "pyproject.toml"), "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_an_import_that_points_up_breaks_the_contract(tmp_path: Path) -> None:
    for package in (path.parent for path in PROJECT_DIR.glob("*/__init__.py")):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    kept = lint_imports(tmp_path)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    with (tmp_path / "jobs" / "recovery.py").open("a") as module:
        module.write("import telemetry\n")
    broken = lint_imports(tmp_path)
    assert broken.returncode == 1
    assert "jobs.recovery -> telemetry" in broken.stdout


@pytest.mark.parametrize("script", ENTRY_POINTS)
def test_every_script_tells_the_one_version(script: str) -> None:
    assert run_script(script, "--version").stdout == f"{VERSION}\n"


def test_the_newest_version_in_the_changelog_is_that_version() -> None:
    found = re.search(r"^## \[(\d.*?)\]", (PROJECT_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found
    assert found[1] == VERSION


def test_the_interface_has_that_version() -> None:
    assert f"\n  version: {VERSION}\n" in (PROJECT_DIR / "web" / "openapi.yaml").read_text()


def test_the_readme_is_short() -> None:
    assert (PROJECT_DIR / "README.md").stat().st_size < 8000


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_pins_what_the_ranges_allow_and_everything_in_them(lock: str) -> None:
    pins: dict[str, list[Requirement]] = {}
    for line in lines_of(lock):
        pin = Requirement(line)
        pins.setdefault(pin.name, []).append(pin)
    for requirement in (Requirement(line) for file in LOCKS[lock] for line in lines_of(file)):
        assert requirement.name in pins, f"{requirement.name}: run `make lock`"
        for pin in pins[requirement.name]:
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_names_no_index_and_no_file(lock: str) -> None:
    assert not re.search(r"://|^-|@|--hash", "\n".join(lines_of(lock)), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_stays_locked_that_nothing_requires_any_more(lock: str) -> None:
    """Each pin is followed by what requires it: other pins, or one of the files."""
    required = {Requirement(line).name for file in LOCKS[lock] for line in lines_of(file)}
    text = (PROJECT_DIR / lock).read_text()
    named = re.findall(r"^(\S+?)==.*\n((?: +#.*\n)+)", text, re.MULTILINE)
    direct = {name for name, reasons in named if re.search(r"-r \S+\.txt", reasons)}
    assert direct == required


def test_what_the_service_installs_is_what_the_tests_had() -> None:
    assert set(lines_of("requirements.lock")) <= set(lines_of("requirements-dev.lock"))


def test_makefile_and_metadata_name_the_same_pythons() -> None:
    versions = [f"3.{minor}" for minor in (11, 12, 13)]
    classifiers = pyproject()["project"]["classifiers"]
    assert isinstance(classifiers, list)
    assert [name[-4:] for name in classifiers if "Python :: 3." in name] == versions
    assert pyproject()["project"]["requires-python"] == ">=3.11,<3.14"
    assert "not (3, 11) <= sys.version_info < (3, 14)" in (PROJECT_DIR / "Makefile").read_text()


def lines_of(file: str) -> list[str]:
    lines = (line.partition(" #")[0].strip() for line in (PROJECT_DIR / file).read_text().splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-r "))]
