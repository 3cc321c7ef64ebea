"""The guide in docs/networks.md, from training to serving: its own code and commands, with the real service."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.services import Services
from project import PROJECT_DIR

GUIDE = (PROJECT_DIR / "docs" / "networks.md").read_text().partition("### From training to serving")[2]
(TRAINING, COMMANDS) = (
    re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)[1]  # type: ignore[index]
    for language in ("python", "console")
)

TRAIN, SERVE, ASK = (shlex.split(line[2:]) for line in COMMANDS.splitlines() if line.startswith("$ "))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's folder after training."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / TRAIN[1]).write_text(TRAINING)
    subprocess.run([sys.executable, *TRAIN[1:]], cwd=folder, check=True, timeout=240, capture_output=True)
    return folder


def test_a_network_is_trained_served_and_asked_as_the_guide_says(services: Services, trained: Path) -> None:
    assert SERVE[-2:] == ["make", "run"]
    settings = dict(word.split("=") for word in SERVE[:-2])
    # Relative paths are those of the folder in which the reader types.
    paths = {name: trained / settings[name] for name in ("MODEL", "LABELS")}
    changes: dict[str, object] = {**settings, **paths, "MODEL_CACHE_DIR": trained / "cache"}
    worker = services.start_worker(**changes)
    _, url = services.start_web_server(**changes, WEB_PROCESSES=1)
    assert "outputs_doubtful" not in worker.output
    right = 0
    for shape in ("circle", "square", "triangle"):
        command = [part.replace("circle", shape).replace("http://127.0.0.1:5000", url) for part in ASK]
        answer = json.loads(subprocess.check_output([command[0], "-s", *command[1:]], cwd=trained, timeout=60))
        best = answer["predictions"][0]
        right += best["label"] == shape
        assert best["index"] == ["circle", "square", "triangle"].index(best["label"])
    assert right == 3


def test_what_goes_wrong_without_a_setting_of_the_guide_is_told(
    services: Services, trained: Path, tmp_path: Path
) -> None:
    """Left out here: OUTPUT=logits."""
    changes = {"MODEL": trained / "shapes.keras", "IMAGE_WIDTH": 64, "IMAGE_HEIGHT": 64}
    worker = services.start("run_model_server.py", **changes, MODEL_CACHE_DIR=tmp_path / "cache")
    assert worker.popen.wait(120) == 1
    (line,) = [line for line in worker.output.splitlines() if "model_unavailable" in line]
    assert "Set OUTPUT=logits" in line
    assert "Traceback" not in worker.output
