from pathlib import Path

import numpy as np
import pytest

from models.data.photos import load_masks, load_photos
from models.evaluation.calibration import (
    CLASS_CANDIDATES,
    _count_by_candidate,
    choose_class_thresholds,
    choose_gate_threshold,
    split_samples,
)
from models.evaluation.masks import count_overlap
from models.evaluation.report import PhotoOutcome, evaluate_outcomes, masks_of
from models.structures import CropWindow
from tests.models.tiny_data import write_folder


def outcome(photo, *, gate_score=0.5, probs=None, window=CropWindow(0, 0, 128, 96)):  # noqa: B008 - frozen
    return PhotoOutcome(photo, np.zeros((0, 4), np.float32), window, gate_score, probs)


@pytest.fixture(name="photos")
def _photos(tmp_path: Path):
    return load_photos([write_folder(tmp_path / "d", split="val")])


def test_gate_threshold_finds_enough_of_the_damaged_in_the_mean_of_the_samples(photos):
    easy = [outcome(p, gate_score=0.9 if p.damage_level else 0.1) for p in photos]
    hard = [outcome(p, gate_score=0.2 + number / 10) for number, p in enumerate(photos[:4])]  # 0.2 to 0.5
    assert choose_gate_threshold({"easy": easy, "hard": hard}, recall=1.0) == pytest.approx(0.2)
    assert choose_gate_threshold({"easy": easy, "hard": hard}, recall=0.75) == pytest.approx(0.4)
    assert choose_gate_threshold({"easy": easy}) == pytest.approx(0.9)


def test_class_threshold_cuts_the_halo_around_the_damage(photos):
    photo = photos[1]  # a dent
    probs = np.zeros((3, 96, 128), np.float16)
    probs[1, 30:60, 30:70] = 0.45
    probs[1, 40:51, 40:61] = 0.75
    chosen = choose_class_thresholds({"rendered": [outcome(photo, probs=probs)]})
    assert 0.45 < chosen["dent"] <= 0.75
    assert chosen["scratch"] == chosen["spacing"] == 0.5  # no photo shows them


def test_counting_at_every_candidate_equals_thresholding_one_by_one(photos):
    rng = np.random.default_rng(0)
    some = outcome(photos[0], probs=rng.random((3, 40, 50)).astype(np.float16), window=CropWindow(20, 30, 70, 70))
    expected = [
        np.stack(count_overlap(masks_of(some, [candidate] * 3), load_masks(photos[0])))
        for candidate in CLASS_CANDIDATES
    ]
    assert (_count_by_candidate(some) == np.stack(expected)).all()


def test_masks_of_a_crop_lie_in_the_photos_frame(photos):
    probs = np.ones((3, 10, 20), np.float16)
    masks = masks_of(outcome(photos[0], probs=probs, window=CropWindow(5, 7, 25, 17)), [0.5, 0.5, 0.5])
    assert masks.shape == (3, 96, 128)
    assert masks[0].sum() == 200
    assert masks[0, 7:17, 5:25].all()


def test_false_region_on_a_photo_that_the_gate_lets_go_does_no_harm(photos):
    undamaged, damaged = photos[4], photos[0]
    probs = np.zeros((3, 96, 128), np.float16)
    probs[0, 10:30, 10:30] = 1
    measured = evaluate_outcomes(
        [outcome(undamaged, gate_score=0.1, probs=probs), outcome(damaged, gate_score=0.9, probs=probs)],
        gate_score_threshold=0.5,
        class_thresholds=[0.5, 0.5, 0.5],
    )
    assert measured["false_regions_per_undamaged_photo_without_gate"] == 1
    assert measured["false_regions_per_undamaged_photo"] == 0
    assert measured["gate_recall"] == 1
    assert measured["localizer_no_box_rate"] == 1
    assert measured["scratch_iou_foreground_positives"] == 0


def test_real_and_rendered_photos_are_judged_apart(tmp_path):
    photos = load_photos([write_folder(tmp_path / "a"), write_folder(tmp_path / "b", rendered=False)])
    samples = split_samples(photos)
    assert [len(samples["real"]), len(samples["rendered"])] == [6, 6]
