"""The shorter lists of libraries: what is left out is not needed where they are used."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from benchmarks.services import Process, Services, answers, wait_until
from project import PROJECT_DIR
from tests.support.clients import label, post
from tools.embedded_redis import free_port

LISTS = ["requirements-web.txt", "requirements-worker.txt"]
UV = f"{sys.prefix}/bin/uv"


def requirements_in(file: str) -> list[Requirement]:
    lines = (PROJECT_DIR / file).read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith(("#", "-"))]


def environment(folder: Path, file: str) -> Path:
    """Make a virtual environment with the libraries in a file, and return its Python."""
    python = folder / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, "-r", PROJECT_DIR / file], check=True)
    return python


def installed(python: Path) -> set[str]:
    listed = subprocess.run([UV, "pip", "freeze", "--python", python], capture_output=True, text=True, check=True)
    return {Requirement(line).name for line in listed.stdout.splitlines()}


@pytest.mark.parametrize("file", LISTS)
def test_a_shorter_list_is_a_part_of_the_whole_one_and_takes_its_versions_from_the_lock(file: str) -> None:
    whole = {(requirement.name, *requirement.extras) for requirement in requirements_in("requirements.txt")}
    part = requirements_in(file)
    assert {(requirement.name, *requirement.extras) for requirement in part} <= whole
    assert not any(requirement.specifier for requirement in part)
    assert "-c requirements.lock" in (PROJECT_DIR / file).read_text().splitlines()


def start_web_server(services: Services, python: Path) -> tuple[Process, str]:
    port = free_port()
    web_server = services.start_command([str(python), "run_web_server.py"], PORT=port)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/livez") or web_server.popen.poll() is not None)
    return web_server, url


def test_a_web_server_needs_neither_tensorflow_nor_openvino_nor_keras(services: Services, tmp_path: Path) -> None:
    python = environment(tmp_path / "web", "requirements-web.txt")
    assert installed(python).isdisjoint({"keras", "numpy", "openvino", "tensorflow", "tensorflow-cpu"})
    services.start_worker()
    web_server, url = start_web_server(services, python)
    assert label(post(url, "green")) == "green"
    assert "system_calls=True" in web_server.output
    assert "Traceback" not in web_server.output


def test_a_worker_needs_no_tensorflow_once_its_network_is_exported(services: Services, tmp_path: Path) -> None:
    python = environment(tmp_path / "worker", "requirements-worker.txt")
    assert installed(python).isdisjoint({"flask", "tensorflow", "tensorflow-cpu"})
    services.start_worker().stop()
    worker = services.start_command([str(python), "run_model_server.py"])
    wait_until(lambda: "worker_started" in worker.output or worker.popen.poll() is not None)
    _, url = services.start_web_server()
    assert label(post(url, "cyan")) == "cyan"
