import numpy as np
import pytest

from models.segmenter.predictor import Segmenter
from models.structures import DAMAGE_CLASSES, ContractError
from tests.models.tiny_networks import build_card, identity_segmenter

CARD = build_card("segmenter", (32, 32), DAMAGE_CLASSES)


def test_map_lies_on_the_pixels_it_was_made_of():
    crop = np.zeros((16, 32, 3), np.uint8)  # the network copies red to scratch, green to dent, blue to spacing
    crop[4:8, 20:28, 0] = 255
    crop[10:, :5, 2] = 255
    probs = Segmenter(identity_segmenter((32, 32)), CARD).predict_probs([crop])[0]
    np.testing.assert_allclose(probs, crop.transpose(2, 0, 1) / 255, atol=1e-6)


def test_each_crop_keeps_its_own_size():
    crops = [np.zeros((h, w, 3), np.uint8) for h, w in ((10, 40), (64, 48), (1, 1))]
    probs = Segmenter(identity_segmenter((32, 32)), CARD).predict_probs(crops)
    assert [p.shape for p in probs] == [(3, 10, 40), (3, 64, 48), (3, 1, 1)]
    assert all(p.dtype == np.float32 and 0 <= p.min() <= p.max() <= 1 for p in probs)


def test_large_patch_survives_shrinking_and_growing():
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[32:96, 16:64, 1] = 255
    dent = Segmenter(identity_segmenter((32, 32)), CARD).predict_probs([crop])[0][1] >= 0.5
    truth = crop[..., 1] > 0
    assert (dent & truth).sum() / (dent | truth).sum() > 0.95


def test_input_hw_is_the_networks():
    assert Segmenter(identity_segmenter((32, 32)), CARD).input_hw == (32, 32)


def test_values_outside_zero_to_one_are_refused():
    segmenter = Segmenter(identity_segmenter((32, 32), scale=2.0), CARD)
    with pytest.raises(ContractError, match="segmenter probs"):
        segmenter.predict_probs([np.full((8, 8, 3), 255, np.uint8)])


def test_card_with_other_classes_is_refused():
    with pytest.raises(ContractError, match=r"card\.classes"):
        Segmenter(identity_segmenter((32, 32)), build_card("segmenter", (32, 32), ("dent", "scratch", "spacing")))
