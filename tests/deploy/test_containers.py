"""`deploy/Dockerfile`: each image has the code that its program imports, and no more."""

import re

import grimp
import pytest

from tests.deploy.conftest import DEPLOY

PACKAGES = ("http_server", "inference", "jobs", "pictures", "telemetry", "web", "worker")


def stages() -> dict[str, tuple[str, str]]:
    """Return the text of each stage by its name, with the name of what it is based on."""
    found = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", (DEPLOY / "Dockerfile").read_text(), re.M | re.S)
    return {name: (base, text) for base, name, text in found}


def copied(stage: str) -> set[str]:
    base, text = stages()[stage]
    here = set(re.findall(r"^COPY (\w+) \1/$", text, re.MULTILINE))
    return here | (copied(base) if base in stages() else set())


# The second one is started by its name, not imported.
@pytest.mark.parametrize(
    ("image", "programs"),
    [("web", ["web.gunicorn_server", "pictures.cell_server"]), ("worker", ["worker.service"])],
)
def test_an_image_has_the_packages_that_its_program_imports(image: str, programs: list[str]) -> None:
    graph = grimp.build_graph(*PACKAGES)
    modules = set(programs).union(*(graph.find_upstream_modules(program) for program in programs))
    assert copied(image) == {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("image", ["web", "worker"])
def test_an_image_does_not_run_as_root_and_tells_its_health(image: str) -> None:
    _, text = stages()[image]
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "\nHEALTHCHECK " in text


def test_whatever_is_copied_is_sent_to_the_builder() -> None:
    allowed = set(re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    for _, text in stages().values():
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
            assert set(sources.split()) <= allowed
