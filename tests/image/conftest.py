"""The containers' tests run only when asked for: making the images takes minutes and needs root."""

import pytest

from tests.conftest import require
from tests.image.containers import build_image, missing_tool


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "container" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("container"):
            item.add_marker(
                pytest.mark.skip(reason="builds and runs an image; `make image-test`, or pytest -m container")
            )


@pytest.fixture(scope="session")
def worker_image() -> str:
    """The target worker-cpu, as it builds now."""
    return _build("worker-cpu")


@pytest.fixture(scope="session")
def review_image() -> str:
    """The target review, as it builds now."""
    return _build("review")


def _build(target: str) -> str:
    missing = missing_tool()
    require(missing is None, f"images cannot be built here without {missing}")
    return build_image(target)
