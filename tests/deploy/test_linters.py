"""The manifests and units in `deploy/` are accepted by the programs that read them, where these are on this machine.

`make lint` checks the compose file.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project import PROJECT_DIR
from settings import Settings
from tests.deploy.conftest import DEPLOY

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# systemd's own scale, from 0 to 10; below 2 it says "OK".
MOST_EXPOSURE = 2.0


def program(name: str) -> str:
    path = shutil.which(name, path=f"{sys.prefix}/bin") or shutil.which(name)
    if not path:
        pytest.skip(f"there is no {name}")
    return path


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """What kustomize makes of the manifests, with the component for Sentinel."""
    for folder in ("kubernetes", "kubernetes-sentinel"):
        shutil.copytree(DEPLOY / folder, tmp_path / folder)
    with (tmp_path / "kubernetes" / "kustomization.yaml").open("a") as file:
        file.write("components: [../kubernetes-sentinel]\n")
    built = tmp_path / "manifests.yaml"
    built.write_text(run(program("kubectl"), "kustomize", DEPLOY / "kubernetes"))
    built.with_name("sentinel.yaml").write_text(run(program("kubectl"), "kustomize", tmp_path / "kubernetes"))
    return built


@pytest.mark.may_skip_in_ci
def test_kustomize_builds_the_manifests_also_with_the_trigger_for_sentinel(manifests: Path) -> None:
    assert "type: redis\n" in manifests.read_text()
    assert "type: redis-sentinel\n" in manifests.with_name("sentinel.yaml").read_text()


@pytest.mark.may_skip_in_ci
def test_the_manifests_fit_the_schemas_of_kubernetes(manifests: Path) -> None:
    said = run(program("kubernetes-validate"), "--strict", manifests)
    assert set(re.findall(r"no schema for kind (\w+)|find schema for kind (\w+)", said)) <= {
        ("", "ScaledObject"),
        ("", "TriggerAuthentication"),
    }


@pytest.mark.may_skip_in_ci
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_the_unit(unit: Path, tmp_path: Path) -> None:
    # It looks whether the program is there.
    text = unit.read_text().replace("/opt/picture-classifier/.venv/bin/python", sys.executable)
    installed = tmp_path / unit.name.replace("@", "@1")
    installed.write_text(text.replace("/opt/picture-classifier", str(PROJECT_DIR)))
    assert run(program("systemd-analyze"), "verify", "--man=no", installed) == ""


@pytest.mark.may_skip_in_ci
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_unit_gives_up_what_it_does_not_need(unit: Path) -> None:
    said = run(program("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
    assert found
    assert float(found[1]) < MOST_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_lets_the_slowest_request_finish(unit: Path) -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)
    assert found
    assert int(found[1]) > Settings.model_fields["request_timeout_s"].default
