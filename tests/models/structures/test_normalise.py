import numpy as np
import pytest

from models.structures import ContractError, normalise_batch


def test_channels_are_scaled_one_by_one():
    image = np.zeros((2, 3, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 0, 51, 255
    batch = normalise_batch([image], mean=(0.5, 0.2, 0.0), std=(0.5, 1.0, 2.0))
    assert batch.shape == (1, 3, 2, 3)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch[0, :, 0, 0], [-1, 0, 0.5], atol=1e-6)


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ContractError, match=r"images\[1\]"):
        normalise_batch([np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8)], (0, 0, 0), (1, 1, 1))


def test_no_images_are_refused():
    with pytest.raises(ContractError, match="at least one"):
        normalise_batch([], (0, 0, 0), (1, 1, 1))
