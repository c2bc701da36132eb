import numpy as np
import pytest

from models.evaluation.bootstrap import Resampler
from models.evaluation.end_to_end import EndToEndCounts, evaluate_end_to_end
from tests.models.evaluation.outcomes import judged, photo

THRESHOLDS = np.array([[0.3] * 3, [0.6] * 3])
ROW = 1


def measure(*judgements, gate=0.5):
    return evaluate_end_to_end(
        judgements,
        Resampler([j.photo.group for j in judgements]),
        row=ROW,
        thresholds=THRESHOLDS,
        policies=("threshold",),
        serving=("threshold",) * 3,
        gate_score_threshold=gate,
    )


def test_damaged_photo_is_recalled_only_through_the_gate():
    measures = measure(
        judged(of=photo("a"), score=0.9, hits=(True, True), regions=(1, 1)),
        judged(of=photo("b"), score=0.1, hits=(True, True), regions=(1, 1)),
        judged(of=photo("c"), score=0.9, hits=(False, False), regions=(1, 1)),
        judged(of=photo("d"), score=0.9, hits=(True, False), regions=(1, 0)),
    )
    assert measures["recall"] == 0.25
    assert measures["marked_recall"] == 0.5


def test_photo_whose_damage_has_no_region_of_ours_does_not_count():
    measures = measure(
        judged(of=photo("a"), score=0.9, hits=(True, True), regions=(1, 1)),
        judged(of=photo("b", polygons=()), score=0.9, regions=(0, 0)),
    )
    assert measures["recall"] == 1
    assert measures["damaged_photos"] == 1


def test_recall_at_false_regions_is_the_best_over_both_thresholds():
    judgements = [
        judged(of=photo("a"), score=0.9, hits=(True, False), regions=(1, 0)),
        judged(of=photo("b"), score=0.4, hits=(True, True), regions=(1, 1)),
        judged(of=photo("c", damaged=False), score=0.6, regions=(5, 0)),
        judged(of=photo("d", damaged=False), score=0.2, regions=(1, 0)),
    ]
    measures = measure(*judgements)
    # row 0 needs a gate above 0.6 to be quiet, which costs photo b; row 1 is quiet everywhere, but misses photo a
    assert measures["recall_at_false_regions_0_2"] == 0.5
    easier = [*judgements[:2], judged(of=photo("c", damaged=False), score=0.3, regions=(5, 0)), judgements[3]]
    assert measure(*easier)["recall_at_false_regions_0_2"] == 1


def test_operating_curve_rises_and_reaches_what_one_by_one_search_reaches():
    rng = np.random.default_rng(0)
    judgements = []
    for n in range(30):
        damaged = bool(n % 2)
        regions = tuple(int(r) for r in np.sort(rng.integers(0, 3, 2))[::-1])
        hits = tuple(bool(r) and damaged for r in regions)
        own = photo(str(n), damaged=damaged)
        judgements.append(judged(of=own, score=float(rng.random()), hits=hits, regions=regions))
    curve = measure(*judgements)["operating_curve"]
    falses = [p["false_regions_per_undamaged_photo"] for p in curve]
    recalls = [p["recall"] for p in curve]
    assert falses == sorted(falses)
    assert recalls == sorted(set(recalls))
    for point in curve:
        row = [0.3, 0.6].index(point["class_thresholds"][0])
        passing = [j for j in judgements if j.gate_score >= point["gate_score_threshold"]]
        recalled = sum(bool(j.masks.is_hit[0, row].any()) for j in passing if j.photo.damage_level)
        false = sum(int(j.masks.regions[0, row].sum()) for j in passing if not j.photo.damage_level)
        assert point["recall"] == pytest.approx(recalled / 15)
        assert point["false_regions_per_undamaged_photo"] == pytest.approx(false / 15)


def test_accused_photos_are_counted_once_each():
    measures = measure(
        judged(of=photo("a", damaged=False), score=0.9, regions=(0, 4)),
        judged(of=photo("b", damaged=False), score=0.9, regions=(0, 0)),
    )
    assert measures["false_regions_per_undamaged_photo"] == 2
    assert measures["accused_share_of_undamaged_photos"] == 0.5
    assert "recall" not in measures
    assert "operating_curve" not in measures


def test_each_class_is_counted_under_its_own_policy():
    own = judged(of=photo("a"), regions=(1, 1))
    masks = own.masks
    masks.regions[...] = 0
    two = np.concatenate([masks.regions, masks.regions])  # policies: threshold, crf
    two[0, :, 1], two[1, :, 0] = 5, 3
    object.__setattr__(masks, "regions", two)
    object.__setattr__(masks, "is_hit", np.concatenate([masks.is_hit, masks.is_hit]))
    counts = EndToEndCounts.of([own], policies=("threshold", "crf"), serving=("crf", "threshold", "crf"))
    assert counts.regions.tolist() == [[8, 8]]
    counts = EndToEndCounts.of([own], policies=("threshold", "crf"), serving=("threshold", "crf", "crf"))
    assert counts.regions.tolist() == [[0, 0]]
