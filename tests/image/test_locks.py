"""The locks of the images against pyproject.toml and against each other."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.image.containers import REPOSITORY

_PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_LOCKED = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[^ ]+) \\\n(?P<hashes>(?: +--hash=.*\n)+)", re.M
)
_IN_IMAGES = {"opencv-python": "opencv-python-headless"}
_HEAVY = {"torch", "torchvision", "triton", "ultralytics", "timm", "scipy", "nncf"}
_EXTRAS = {
    "worker-cpu": ("postgres", "cluster"),
    "worker-gpu": ("postgres",),
    "trainer": ("postgres", "cluster", "train"),
    "review": ("postgres", "review"),
}


def read_lock(name: str) -> dict[str, Version]:
    """Versions by package; every line must have been understood."""
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found = {match["name"]: Version(match["version"]) for match in _LOCKED.finditer(text)}
    assert len(found) == len(re.findall(r"^[^#\s]", text, re.MULTILINE)), "a line without version or hash"
    return found


@pytest.mark.parametrize("target", _EXTRAS)
def test_a_lock_holds_what_the_project_asks_for(target: str):
    locked = read_lock(target)
    asked = list(_PROJECT["dependencies"])
    for extra in _EXTRAS[target]:
        asked += _PROJECT["optional-dependencies"][extra]
    left_out = {"openvino"} if target == "review" else set()
    for requirement in map(Requirement, asked):
        name = _IN_IMAGES.get(requirement.name, requirement.name).lower().replace("_", "-")
        if name in left_out:
            assert name not in locked
            continue
        assert name in locked, f"{name}: not in {target}; run `make locks`"
        assert requirement.specifier.contains(locked[name], prereleases=True), f"{requirement}: locked {locked[name]}"


@pytest.mark.parametrize("target", _EXTRAS)
def test_no_image_has_opencv_with_windows(target: str):
    assert "opencv-python" not in read_lock(target)


@pytest.mark.parametrize("target", ["worker-cpu", "review"])
def test_cpu_workers_and_pages_come_without_torch(target: str):
    assert not _HEAVY & set(read_lock(target))
    assert not [name for name in read_lock(target) if name.startswith("nvidia")]


@pytest.mark.parametrize("target", ["worker-cpu", "worker-gpu", "review"])
def test_all_images_have_the_versions_that_were_trained_with(target: str):
    trained_with = read_lock("trainer")
    shared = read_lock(target).keys() & trained_with.keys()
    assert {name for name in shared if read_lock(target)[name] != trained_with[name]} == set()
    assert {"numpy", "opencv-python-headless"} <= shared
