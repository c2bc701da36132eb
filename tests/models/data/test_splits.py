import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.photos import DataError, load_photos
from models.data.splits import bin_evenly, build_strata, describe_split, join_groups, parse_ratios, split_groups
from tests.models.tiny_data import write_folder

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@st.composite
def grouped_photos(draw):
    groups = draw(st.lists(st.integers(0, 19), min_size=3, max_size=60))
    numbers = np.unique(groups, return_inverse=True)[1]
    rows = st.lists(st.booleans(), min_size=3, max_size=3)
    strata = np.array(draw(st.lists(rows, min_size=len(groups), max_size=len(groups))), bool)
    return numbers, strata


@settings(max_examples=50, deadline=None)
@given(photos=grouped_photos(), seed=st.integers(0, 5))
def test_no_group_is_in_two_splits_and_no_split_is_empty(photos, seed):
    groups, strata = photos
    if len(set(groups)) < 3:
        with pytest.raises(DataError, match="at least 3 groups"):
            split_groups(groups, strata, SHARES, seed=seed)
        return
    splits = split_groups(groups, strata, SHARES, seed=seed)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    assert set(splits) == set(SHARES)
    assert splits == split_groups(groups, strata, SHARES, seed=seed)


def test_every_split_gets_its_share_of_every_stratum():
    rng = np.random.default_rng(0)
    groups = np.sort(np.concatenate([np.arange(300), rng.integers(0, 300, 300)]))  # 1 to about 6 photos a car
    strata = rng.random((600, 4)) < np.array([0.05, 0.1, 0.3, 0.6])
    splits = np.array(split_groups(groups, strata, SHARES, seed=0))
    for name, share in SHARES.items():
        inside = splits == name
        assert abs(inside.sum() - 600 * share) <= 2
        assert np.abs(strata[inside].sum(axis=0) - share * strata.sum(axis=0)).max() <= 2


def test_plain_shuffle_by_group_is_less_even_than_the_stratified_split():
    rng = np.random.default_rng(1)
    groups, strata = np.arange(200), rng.random((200, 5)) < 0.1
    stratified = np.array(split_groups(groups, strata, SHARES, seed=0))
    shuffled = rng.permutation(np.repeat(["train", "val", "test"], [160, 20, 20]))

    def misfit(splits):
        wanted = {name: share * strata.sum(axis=0) for name, share in SHARES.items()}
        return sum(np.abs(strata[splits == name].sum(axis=0) - wanted[name]).sum() for name in SHARES)

    assert misfit(stratified) < misfit(shuffled) / 2


def test_seed_chooses_among_even_splits():
    groups, strata = np.arange(100), np.ones((100, 1), bool)
    assert split_groups(groups, strata, SHARES, seed=0) != split_groups(groups, strata, SHARES, seed=1)


def test_large_group_goes_where_there_is_room():
    groups = np.array([0] * 8 + [1, 2])
    splits = split_groups(groups, np.ones((10, 1), bool), SHARES, seed=3)
    assert splits[:8] == ["train"] * 8
    assert sorted(splits[8:]) == ["test", "val"]


def test_stratum_without_photos_does_not_matter():
    groups, strata = np.arange(10), np.zeros((10, 2), bool)
    assert sorted(split_groups(groups, strata, SHARES, seed=0)).count("train") == 8


def test_photos_that_share_any_key_are_one_group():
    cars, looks = ["a", "b", "c", None, None], [0, 1, 0, 3, 1]
    assert join_groups(cars, looks).tolist() == [0, 1, 0, 2, 1]  # a and c look alike, so do b and the last


def test_strata_are_class_by_thirds_of_damaged_area(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d")])  # classes 1, 2, 3, 1 of one size, then two undamaged
    strata, names = build_strata(photos)
    assert names == ["undamaged", "scratch_area_1", "dent_area_1", "spacing_area_1"]
    assert strata.argmax(axis=1).tolist() == [1, 2, 3, 1, 0, 0]
    assert (strata.sum(axis=1) == 1).all()


def test_bins_hold_equally_many_and_equal_values_stay_together():
    assert bin_evenly(np.array([6.0, 1, 5, 2, 4, 3]), 3).tolist() == [2, 0, 2, 0, 1, 1]
    assert len(set(bin_evenly(np.full(9, 0.5), 3).tolist())) == 1


def test_report_counts_photos_groups_and_strata():
    groups, strata = np.array([0, 0, 1, 2]), np.array([[True], [True], [False], [True]])
    report = describe_split(
        groups, strata, ["dent_area_1"], ["train", "train", "val", "val"], {"train": 0.5, "val": 0.5}
    )
    assert report["splits"]["train"] == {
        "wanted_share": 0.5, "share": 0.5, "photos": 2, "groups": 1, "strata": {"dent_area_1": 2},
    }  # fmt: skip
    assert report["worst_share_error"] == pytest.approx(2 / 3 - 0.5)


def test_ratios_are_shares_of_named_splits():
    assert parse_ratios("8:1:1") == {"train": 0.8, "val": 0.1, "test": 0.1}
    assert parse_ratios("3:1") == {"train": 0.75, "val": 0.25}


@pytest.mark.parametrize("text", ["", "8", "8:1:1:1", "8:0:1", "8:-1:1", "a:b", "nan:1", "inf:1"])
def test_wrong_ratios_are_refused(text):
    with pytest.raises(DataError, match="ratios"):
        parse_ratios(text)
