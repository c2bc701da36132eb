import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.steps.upright import FOLDS, RIDGE, UprightProbe, turn_image, turn_points_xy
from models.structures import ContractError

SIZES = st.integers(1, 7)


def make_features(count, *, width=12, signal=2.0, seed=0):
    """Features of standing photos in four turns: a vector for each turn, and noise; float32 (count, 4, width)."""
    rng = np.random.default_rng(seed)
    marks = np.random.default_rng(99).normal(0, signal, (4, width))
    return (marks + rng.normal(0, 1, (count, 4, width))).astype(np.float32)


def show_turned(features, given_turns):
    """What is seen of standing photos once each was given some quarters: its k-th view is k quarters further."""
    return np.stack([own[[(k + g) % 4 for k in range(4)]] for own, g in zip(features, given_turns, strict=True)])


@given(SIZES, SIZES, st.integers(-5, 9), st.data())
@settings(deadline=None)
def test_points_go_where_their_pixels_go(height, width, quarters, data):
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    image = np.zeros((height, width), np.uint8)
    image[row, column] = 1
    turned = turn_image(image, quarters)
    np.testing.assert_array_equal(turned, np.rot90(image, quarters))
    ((new_row, new_column),) = np.argwhere(turned)
    found = turn_points_xy(np.array([[column + 0.5, row + 0.5]]), (height, width), quarters)
    assert found.tolist() == [[new_column + 0.5, new_row + 0.5]]


def test_one_quarter_against_the_clock_worked_out_by_hand():
    corners = np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 3.0], [0.0, 3.0]])  # of a photo 5 wide and 3 high
    assert turn_points_xy(corners, (3, 5), 1).tolist() == [[0, 5], [0, 0], [3, 0], [3, 5]]
    assert turn_points_xy(np.zeros((0, 2)), (3, 5), 1).shape == (0, 2)
    assert turn_image(np.array([[1, 2, 3], [4, 5, 6]]), 1).tolist() == [[3, 6], [2, 5], [1, 4]]


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 500)), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_turns_add_up_and_four_are_none(points, first, second):
    points, size_hw = np.array(points, float), (500, 700)
    between_hw = size_hw[::-1] if first % 2 else size_hw
    twice = turn_points_xy(turn_points_xy(points, size_hw, first), between_hw, second)
    np.testing.assert_array_equal(twice, turn_points_xy(points, size_hw, first + second))
    back = turn_points_xy(turn_points_xy(points, size_hw, first), between_hw, -first % 4)
    np.testing.assert_array_equal(back, points)
    np.testing.assert_array_equal(turn_points_xy(points, size_hw, 4), points)


def test_turned_image_is_a_copy_that_opencv_takes():
    image = np.zeros((2, 3, 3), np.uint8)
    for quarters in range(4):
        turned = turn_image(image, quarters)
        assert turned.flags.c_contiguous
        if quarters:
            assert not np.shares_memory(turned, image)


def test_probe_finds_every_turn():
    probe = UprightProbe.fit(make_features(60))
    assert probe.accuracy > 0.95
    turns = np.arange(80) % 4
    found = probe.find_turns(show_turned(make_features(80, seed=1), turns))
    assert found.dtype == np.int64
    assert (found == turns).mean() > 0.95


@pytest.mark.parametrize(("count", "width"), [(10, 70), (40, 6)])
def test_weights_are_those_of_least_squares_with_a_ridge(count, width):
    """Photos fewer than features, and more: one solution, here by lstsq on rows that stand for the penalty."""
    features = make_features(count, width=width)
    probe = UprightProbe.fit(features)
    flat = features.reshape(-1, width).astype(float)
    inputs = np.c_[(flat - flat.mean(axis=0)) / flat.std(axis=0), np.ones(len(flat))]
    truth = np.array([np.eye(4)[row % 4] for row in range(len(flat))])
    rows = np.r_[inputs, np.sqrt(RIDGE) * np.eye(width + 1)]
    expected = np.linalg.lstsq(rows, np.r_[truth, np.zeros((width + 1, 4))], rcond=None)[0]
    np.testing.assert_allclose(probe.weights, expected, atol=1e-6)
    np.testing.assert_allclose(probe.mean, flat.mean(axis=0))


def test_votes_of_four_views_are_summed():
    probe = UprightProbe.fit(make_features(30, signal=0.5))
    seen = show_turned(make_features(25, signal=0.5, seed=3), np.arange(25) % 4)
    expected = []
    for own in seen:
        scores = [[*((own[k] - probe.mean) / probe.spread), 1.0] @ probe.weights for k in range(4)]
        totals = [sum(scores[k][(given + k) % 4] for k in range(4)) for given in range(4)]
        expected.append(int(np.argmax(totals)))
    assert probe.find_turns(seen).tolist() == expected


def test_four_views_outvote_a_doubtful_one():
    known, seen = make_features(120, signal=0.45), make_features(400, signal=0.45, seed=1)
    turns = np.arange(400) % 4
    shown = show_turned(seen, turns)
    probe = UprightProbe.fit(known)
    inputs = np.c_[(shown[:, 0] - probe.mean) / probe.spread, np.ones(400)]
    alone = ((inputs @ probe.weights).argmax(axis=1) == turns).mean()
    together = (probe.find_turns(shown) == turns).mean()
    assert together > alone + 0.1
    assert abs(probe.accuracy - together) < 0.1  # what it says of itself holds for photos it has not seen


@pytest.mark.parametrize("width", [16, 900])
def test_features_that_tell_nothing_are_right_a_quarter_of_the_time(width):
    noise = np.random.default_rng(5).normal(0, 1, (240, 4, width)).astype(np.float32)
    probe = UprightProbe.fit(noise)
    assert abs(probe.accuracy - 0.25) < 0.1
    if width > 240:
        assert (probe.find_turns(noise) == 0).mean() > 0.9  # it has learnt them by heart


def test_features_that_are_all_alike_are_no_proof_of_standing():
    assert UprightProbe.fit(np.ones((48, 4, 3), np.float32)).accuracy == 0.25


@pytest.mark.parametrize("shape", [(8, 3, 5), (8, 4), (8, 20)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(ContractError, match=r"^features"):
        UprightProbe.fit(np.zeros(shape, np.float32))


def test_features_of_another_network_are_refused():
    probe = UprightProbe.fit(make_features(12))
    with pytest.raises(ContractError, match=r"^features"):
        probe.find_turns(make_features(3, width=11))
    with pytest.raises(ContractError, match=r"^features"):
        UprightProbe.fit(make_features(12).astype(np.float64))


def test_too_few_photos_are_refused():
    with pytest.raises(ValueError, match=f"features: expected at least {FOLDS} photos, found 5"):
        UprightProbe.fit(make_features(5))
