"""Each class is refined by its own policy, classes of one policy together."""

import numpy as np
import pytest

from models.mask_policies import DenseCrfPolicy, ThresholdPolicy
from models.structures import ContractError
from service.stages.refine import refine_masks
from tests import photos

CROP = photos.scene((32, 40))


def random_probs() -> np.ndarray:
    return np.random.default_rng(4).random((3, *CROP.shape[:2]), dtype=np.float32)


class CountingPolicy(ThresholdPolicy):
    """Notes how many maps each call brought."""

    def __init__(self, score_threshold: float) -> None:
        super().__init__(score_threshold)
        self.calls: list[int] = []

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        self.calls.append(len(probs))
        return super().refine(probs, image)


def test_each_class_is_decided_by_its_own_policy():
    probs = random_probs()
    policies = [ThresholdPolicy(0.1), ThresholdPolicy(0.5), ThresholdPolicy(0.9)]
    masks = refine_masks(probs, CROP, policies)
    assert masks.dtype == bool
    for channel, threshold in enumerate((0.1, 0.5, 0.9)):
        assert (masks[channel] == (probs[channel] >= np.float32(threshold))).all()


def test_classes_that_share_a_policy_are_refined_in_one_call():
    shared, own = CountingPolicy(0.2), CountingPolicy(0.8)
    probs = random_probs()
    masks = refine_masks(probs, CROP, [shared, own, shared])
    assert (shared.calls, own.calls) == ([2], [1])
    assert (masks == (probs >= np.float32([0.2, 0.8, 0.2])[:, None, None])).all()


def test_sharing_a_policy_changes_no_mask():
    probs = random_probs()
    shared = DenseCrfPolicy()
    together = refine_masks(probs, CROP, [shared, shared, shared])
    apart = refine_masks(probs, CROP, [DenseCrfPolicy(), DenseCrfPolicy(), DenseCrfPolicy()])
    assert (together == apart).all()


def test_neither_the_probs_nor_the_crop_are_changed():
    probs, crop = random_probs(), CROP.copy()
    before = probs.copy()
    refine_masks(probs, crop, [DenseCrfPolicy(), ThresholdPolicy(), ThresholdPolicy()])
    assert (probs == before).all()
    assert (crop == CROP).all()


@pytest.mark.parametrize(
    "probs",
    [np.zeros((2, 32, 40), np.float32), np.zeros((3, 40, 32), np.float32), np.full((3, 32, 40), np.nan, np.float32)],
)
def test_probs_of_another_crop_or_nan_are_a_broken_contract(probs: np.ndarray):
    with pytest.raises(ContractError, match=r"^probs: expected"):
        refine_masks(probs, CROP, [ThresholdPolicy()] * 3)
