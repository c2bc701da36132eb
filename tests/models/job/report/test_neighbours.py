import numpy as np
import pytest

pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.job.report.neighbours import find_nearest_by_pixels


def test_nearest_is_what_a_loop_over_pixels_finds():
    rng = np.random.default_rng(4)
    made, real = (rng.integers(0, 256, (count, 16, 16, 3), np.uint8) for count in (7, 30))
    nearest, is_mirrored = find_nearest_by_pixels(made, real)
    for image, index, mirrored in zip(made.astype(float), nearest, is_mirrored, strict=True):
        distances = [((image - other) ** 2).sum() for own in real for other in (own, own[:, ::-1])]
        assert divmod(int(np.argmin(distances)), 2) == (index, mirrored)


def test_mirrored_copy_is_found_as_one():
    rng = np.random.default_rng(5)
    real = rng.integers(0, 256, (10, 32, 32, 3), np.uint8)
    nearest, is_mirrored = find_nearest_by_pixels(np.stack([real[3], real[6][:, ::-1]]), real)
    assert nearest.tolist() == [3, 6]
    assert is_mirrored.tolist() == [False, True]
