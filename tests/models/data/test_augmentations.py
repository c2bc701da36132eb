import numpy as np
import pytest

from models.data.augmentations import mirror, random_camera, random_light

IMAGE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("change", [random_light, random_camera])
def test_change_keeps_size_and_type_and_its_input(change):
    before = IMAGE.copy()
    for seed in range(20):
        changed = change(IMAGE, np.random.default_rng(seed))
        assert changed.shape == IMAGE.shape
        assert changed.dtype == np.uint8
    assert (before == IMAGE).all()


def test_some_photos_get_very_dark_and_some_brighter():
    grey = np.full((4, 4, 3), 128, np.uint8)
    means = [random_light(grey, np.random.default_rng(seed)).mean() for seed in range(200)]
    assert min(means) < 60
    assert max(means) > 150


def test_mirror_swaps_left_and_right():
    assert (mirror(IMAGE)[:, 0] == IMAGE[:, -1]).all()
