"""One comparison by its command, smoke preset, on a COCO folder of eight photos: folders coco/ and out/."""

import pytest

from tests.models.training.sr_rcnn.tiny_coco import run, write_coco


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    pytest.importorskip("torch", reason="training needs vehicle-damage[train]")
    here = tmp_path_factory.mktemp("comparison")
    done = run(write_coco(here / "coco"), here / "out")
    assert done.exit_code == 0, done.output
    return here, done
