import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.sr_rcnn.inference import find_objects, find_objects_in_modes  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import build_batch, build_tiny  # noqa: E402

MODES = ("always", "never", "gated", "small")


def test_modes_together_find_what_each_finds_alone():
    detector = build_tiny(mode="gated").eval()
    image = build_batch()[0][0]
    together = find_objects_in_modes(detector, image, MODES)
    assert detector.mode == "gated"
    for mode, found in zip(MODES, together, strict=True):
        detector.mode = mode
        alone = find_objects(detector, image)
        assert len(alone.scores) > 0
        for name, value in vars(alone).items():
            assert np.array_equal(getattr(found, name), value), (mode, name)
    assert not np.array_equal(together[0].scores, together[1].scores)


def test_arrays_are_in_the_photos_frame():
    found = find_objects(build_tiny().eval(), torch.rand(3, 90, 61, generator=torch.Generator().manual_seed(0)))
    assert found.masks.shape == (len(found.scores), 90, 61)
    assert found.masks.dtype == bool
    assert found.boxes_xyxy_photo[:, 2].max() <= 61
    assert found.class_ids.min() >= 1
