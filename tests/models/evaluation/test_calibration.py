import numpy as np
import pytest

from models.data.photos import load_photos
from models.evaluation.calibration import (
    CLASS_CANDIDATES,
    calibrate_versions,
    choose_class_thresholds,
    choose_gate_threshold,
    is_in_choosing_half,
    judge_candidates,
)
from models.evaluation.path import PathOptions, Predictors
from models.object_store import FolderStore
from models.store import ModelStore
from tests.models.evaluation.outcomes import judged, photo
from tests.models.evaluation.stores import CLASSES, write_promoted
from tests.models.tiny_data import write_folder

ROWS = len(CLASS_CANDIDATES)


def at_candidates(by_candidate, default):
    """One value a candidate: default but where told."""
    return [by_candidate.get(candidate, default) for candidate in CLASS_CANDIDATES]


def scratches(intersections, predicted, annotated=100):
    overlap = np.zeros((ROWS, 3, 3), np.int64)
    overlap[:, 0, 0], overlap[:, 0, 1], overlap[:, 0, 2] = intersections, predicted, annotated
    return overlap


def hits(*rows):
    return [bool(row) for row in rows]


def test_gate_threshold_finds_enough_of_the_damaged_in_the_mean_of_the_samples():
    easy = [judged(of=photo(str(n), damaged=n < 4), score=0.9 if n < 4 else 0.1) for n in range(6)]
    hard = [judged(of=photo(str(n)), score=0.2 + n / 10) for n in range(4)]  # 0.2 to 0.5
    assert choose_gate_threshold({"easy": easy, "hard": hard}, recall=1.0) == pytest.approx(0.2)
    assert choose_gate_threshold({"easy": easy, "hard": hard}, recall=0.75) == pytest.approx(0.4)
    assert choose_gate_threshold({"easy": easy}) == pytest.approx(0.9)
    assert choose_gate_threshold({"none": easy[4:]}) == 0.5


def test_threshold_with_the_best_overlap_wins_where_nobody_is_accused():
    positive = judged(
        of=photo("a"),
        regions=[1] * ROWS,
        hits=[True] * ROWS,
        overlap=scratches(at_candidates({0.7: 90}, 50), at_candidates({0.7: 100}, 100)),
    )
    chosen = choose_class_thresholds({"real": [positive]}, gate_score_threshold=0.5)
    assert chosen["scratch"] == 0.7
    assert chosen["dent"] == chosen["spacing"] == 0.5  # no photo shows them


def test_threshold_that_accuses_undamaged_photos_loses_to_a_quieter_one():
    positive = judged(
        of=photo("a"),
        regions=[1] * ROWS,
        hits=[True] * ROWS,
        overlap=scratches(at_candidates({0.7: 90, 0.9: 60}, 50), [100] * ROWS),
    )
    noisy = at_candidates({0.9: 0, 0.95: 0, 0.98: 0}, 1)
    accused = judged(of=photo("u", damaged=False), score=0.9, regions=noisy, hits=[False] * ROWS)
    assert choose_class_thresholds({"real": [positive, accused]}, gate_score_threshold=0.5)["scratch"] == 0.9
    let_go = judged(of=photo("u", damaged=False), score=0.1, regions=noisy, hits=[False] * ROWS)
    assert choose_class_thresholds({"real": [positive, let_go]}, gate_score_threshold=0.5)["scratch"] == 0.7


def test_quietest_threshold_is_taken_where_none_is_quiet_enough():
    positive = judged(
        of=photo("a"), regions=[1] * ROWS, hits=[True] * ROWS, overlap=scratches([90] * ROWS, [100] * ROWS)
    )
    accused = judged(of=photo("u", damaged=False), score=0.9, regions=at_candidates({0.85: 1}, 3), hits=[False] * ROWS)
    assert choose_class_thresholds({"real": [positive, accused]}, gate_score_threshold=0.5)["scratch"] == 0.85


def test_objective_recall_prefers_photos_found_to_pixels():
    large = judged(
        of=photo("a"),
        score=0.9,
        regions=[1] * ROWS,
        hits=[True] * ROWS,
        overlap=scratches(at_candidates({0.8: 90}, 50), [100] * ROWS),
    )
    small = judged(
        of=photo("b"),
        score=0.9,
        regions=[1] * ROWS,
        hits=at_candidates({0.3: True}, False),
        overlap=scratches([1] * ROWS, [1] * ROWS, 1),
    )
    samples = {"real": [large, small]}
    assert choose_class_thresholds(samples, gate_score_threshold=0.5, objective="iou")["scratch"] == 0.8
    assert choose_class_thresholds(samples, gate_score_threshold=0.5, objective="recall")["scratch"] == 0.3
    with pytest.raises(ValueError, match="objective"):
        choose_class_thresholds(samples, gate_score_threshold=0.5, objective="dice")


def test_candidates_are_judged_each_class_under_the_policy_that_serves(tmp_path):
    predictors = Predictors.load(ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions)
    photos = load_photos([write_folder(tmp_path / "data", split="val")])[:2]
    mixed = judge_candidates(photos, predictors, PathOptions())
    plain = judge_candidates(photos, predictors, PathOptions(policies=("threshold",) * 3))
    crf = judge_candidates(photos, predictors, PathOptions(policies=("crf",) * 3))
    for own, threshold, refined in zip(mixed, plain, crf, strict=True):
        assert own.masks.overlap_px.shape == (1, ROWS, 3, 3)
        for name in ("overlap_px", "regions", "is_hit"):
            ours = getattr(own.masks, name)[0]
            assert (ours[:, 1] == getattr(threshold.masks, name)[0, :, 1]).all()
            assert (ours[:, [0, 2]] == getattr(refined.masks, name)[0][:, [0, 2]]).all()
    assert (mixed[0].masks.overlap_px[0, :, 0] != mixed[0].masks.overlap_px[0, :, 1]).any()


def test_cars_are_halved_whole_and_about_evenly():
    photos = [photo(f"{n}.jpg", group=str(n // 2)) for n in range(400)]
    chosen = [is_in_choosing_half(p) for p in photos]
    assert chosen[::2] == chosen[1::2]
    assert 160 < sum(chosen) < 240


def test_thresholds_come_from_one_half_and_are_judged_on_the_other(tmp_path, monkeypatch):
    versions = ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions
    photos = load_photos([write_folder(tmp_path / "data", split="val")])
    choosing = {"rendered-0-0"}  # photos 0 and 1; the other half is 2 to 5
    monkeypatch.setattr("models.evaluation.calibration.is_in_choosing_half", lambda p: p.group in choosing)
    cards, report = calibrate_versions(versions, photos)
    assert report["chosen"]["photos"] == 2
    assert report["other_half"]["rendered"]["photos"] == 4
    assert report["all"]["rendered"]["photos"] == 6
    assert (
        cards["gate"].metrics["gate_recall_rendered_val"]
        == report["all"]["rendered"]["gate"]["across_sources"]["recall"]
    )
    assert "gate_recall_rendered_val_other_half" in cards["gate"].metrics
    assert set(cards) == set(CLASSES)
    assert cards["segmenter"].thresholds == report["chosen"]["thresholds"]["segmenter"]


def test_everything_is_chosen_on_all_photos_where_a_half_has_no_damage(tmp_path, monkeypatch):
    versions = ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions
    photos = load_photos([write_folder(tmp_path / "data", split="val")])
    monkeypatch.setattr("models.evaluation.calibration.is_in_choosing_half", lambda p: p.group == "rendered-0-2")
    _, report = calibrate_versions(versions, photos)  # that group is undamaged
    assert report["chosen"]["photos"] == 6
    assert "other_half" not in report
