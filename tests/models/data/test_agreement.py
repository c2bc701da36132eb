import math

import pytest

from models.data.agreement import agree, cohen_kappa, match_regions, settle_label
from models.data.photos import DataError


def square(x, y, side, class_id=1):
    """Covers side x side pixels: a filled polygon includes its border."""
    far = side - 1
    return {"points": [[x, y], [x + far, y], [x + far, y + far], [x, y + far]], "class_name": class_id}


def record(image_id, *regions, level=None, **more):
    level = int(bool(regions)) if level is None else level
    return {"image_id": image_id, "damage_level": level, "regions": list(regions), "width": 40, "height": 30, **more}


def test_kappa_is_cohens():
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5
    a = ["yes"] * 25 + ["no"] * 25
    b = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(a, b) == pytest.approx(0.4)


def test_kappa_equals_the_reference_library():
    metrics = pytest.importorskip("sklearn.metrics")
    a, b = [0, 1, 2, 2, 1, 0, 0, 2, 1, 1], [0, 2, 2, 2, 1, 0, 1, 2, 1, 0]
    assert cohen_kappa(a, b) == pytest.approx(metrics.cohen_kappa_score(a, b))


def test_kappa_is_undefined_where_nobody_ever_differs_in_label():
    assert math.isnan(cohen_kappa([1, 1], [1, 1]))
    assert math.isnan(cohen_kappa([], []))
    assert cohen_kappa([1, 1], [0, 0]) == 0


def test_kappa_refuses_lists_of_different_length():
    with pytest.raises(ValueError, match="2 and 1"):
        cohen_kappa([1, 1], [1])


@pytest.mark.parametrize(
    ("labels", "policy", "settled"),
    [
        ([1, 1], "discard", 1),
        ([0, 1], "discard", None),
        ([0, 1], "neutral", "neutral"),
        ([0, 1, 1], "third", 1),
        ([0, 1, 0], "third", 0),
        ([0, 1, 2], "third", None),
        ([0, 0, 1], "third", 0),
    ],
)
def test_label_is_settled_by_policy(labels, policy, settled):
    assert settle_label(labels, policy) == settled


def test_regions_match_by_class_and_overlap_each_once():
    a = [square(0, 0, 10), square(20, 0, 10), square(0, 20, 8, class_id=2)]
    b = [square(5, 0, 10), square(1, 0, 10), square(20, 0, 10, class_id=2), square(0, 20, 8, class_id=2)]
    pairs = match_regions(a, b, (30, 40), iou_threshold=0.3)
    assert [(i, j) for i, j, _ in pairs] == [(2, 3), (0, 1)]  # the nearer of two; another class is another damage
    assert pairs[1][2] == pytest.approx(90 / 110)


def test_region_drawn_once_is_not_two_agreements():
    pairs = match_regions([square(0, 0, 10), square(2, 0, 10)], [square(1, 0, 10)], (30, 40), iou_threshold=0.5)
    assert [(i, j) for i, j, _ in pairs] == [(0, 0)]


def test_two_that_agree_keep_the_first_raters_outline():
    settled = agree([record("a", square(0, 0, 10))], [record("a", square(1, 0, 10))], policy="discard")
    assert settled.records == (record("a", square(0, 0, 10), other_regions=[]),)
    assert settled.report["matched_mean_iou"] == pytest.approx(90 / 110)
    assert settled.report["region_f1"] == 1


def test_discard_leaves_disputed_photos_and_regions_out():
    a = [record("level", square(0, 0, 10)), record("region", square(0, 0, 10), square(20, 0, 10))]
    b = [record("region", square(0, 0, 10)), record("level")]
    settled = agree(a, b, policy="discard")
    assert settled.discarded == ("level",)
    assert [r["image_id"] for r in settled.records] == ["region"]
    assert settled.records[0]["regions"] == [square(0, 0, 10)]
    assert settled.records[0]["other_regions"] == []
    assert settled.report["regions_unsettled"] == 2


def test_neutral_makes_disputed_regions_neither_damage_nor_background():
    a = [record("level", square(0, 0, 10)), record("region", square(0, 0, 10), square(20, 0, 10))]
    b = [record("level"), record("region", square(0, 0, 10), square(0, 20, 5))]
    settled = agree(a, b, policy="neutral")
    assert settled.records[0]["other_regions"] == [square(20, 0, 10), square(0, 20, 5)]
    assert settled.neutral == (record("level", level=None, other_regions=[square(0, 0, 10)]) | {"damage_level": None},)
    assert settled.report["photos_neutral"] == 1


def test_third_raters_majority_decides():
    a = [record("level", square(0, 0, 10)), record("region", square(0, 0, 10), square(20, 0, 10)), record("agreed")]
    b = [record("level"), record("region", square(0, 0, 10), square(0, 20, 5)), record("agreed")]
    c = [record("level", square(1, 0, 10)), record("region", square(0, 20, 5))]
    settled = agree(a, b, c, policy="third")
    by_id = {r["image_id"]: r for r in settled.records}
    assert by_id["level"]["damage_level"] == 1
    assert by_id["level"]["regions"] == [square(0, 0, 10)]
    assert by_id["region"]["regions"] == [square(0, 0, 10), square(0, 20, 5)]
    assert by_id["agreed"]["damage_level"] == 0
    assert settled.report["regions_confirmed_by_third"] == 2


def test_majority_for_undamaged_leaves_no_region():
    torn = record("x", square(0, 0, 10), level=0)
    settled = agree([record("x", square(0, 0, 10))], [torn], [record("x")], policy="third")
    assert settled.records[0]["damage_level"] == 0
    assert settled.records[0]["regions"] == []


def test_third_rater_must_have_seen_what_is_in_dispute():
    with pytest.raises(DataError, match="x: in dispute"):
        agree([record("x", square(0, 0, 10))], [record("x")], [record("y")], policy="third")


def test_photos_that_one_rater_lacks_are_all_named():
    with pytest.raises(DataError, match=r"x: only rater A has it\ny: only rater B has it"):
        agree([record("x")], [record("y")], policy="discard")


def test_repeated_photo_is_refused():
    with pytest.raises(DataError, match="rater B"):
        agree([record("x")], [record("x"), record("x")], policy="discard")


@pytest.mark.parametrize(("policy", "third"), [("vote", None), ("third", None), ("discard", [])])
def test_policy_and_raters_must_fit(policy, third):
    with pytest.raises(DataError, match="policy"):
        agree([record("x")], [record("x")], third, policy=policy)


def test_report_counts_levels_and_kappas():
    a = [record("1", square(0, 0, 9)), record("2", square(0, 0, 9)), record("3"), record("4")]
    b = [record("1", square(0, 0, 9)), record("2"), record("3"), record("4")]
    report = agree(a, b, policy="discard").report
    assert report["photos_level_agreed"] == 3
    assert report["photos_discarded"] == 1
    assert report["kappa_damage_level"] == pytest.approx((0.75 - 0.5) / 0.5)  # chance: 0.5 * 0.25 + 0.5 * 0.75
    assert report["kappa_scratch_shown"] == report["kappa_damage_level"]
    assert report["kappa_dent_shown"] is None
