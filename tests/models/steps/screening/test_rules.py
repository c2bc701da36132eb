"""Hand-made histograms: each row lists (channel, value, count); channels are 0 red, 1 green, 2 blue."""

import numpy as np
import pytest

from models.steps.screening import Counting, CriticScreen, screen_multi_colour, screen_single_colour
from models.structures import ContractError

LITERAL = Counting("literal")
PX2 = 64 * 64


def make_histograms(*rows):
    counts = np.zeros((len(rows), 3, 256), np.int64)
    for image, row in zip(counts, rows, strict=True):
        for channel, value, count in row:
            image[channel, value] = count
    return counts


def test_single_colour_is_the_widest_gap_at_255():
    counts = make_histograms(
        [(0, 255, 50), (1, 255, 10), (2, 255, 20)],  # d = 50 − 10 = 40: at the threshold, broken
        [(0, 255, 50), (1, 255, 11), (2, 255, 20)],  # d = 39: kept
        [(0, 255, 900), (1, 255, 900), (2, 255, 900)],  # white: d = 0, kept
        [(0, 254, 900)],  # not 255: kept
        [(2, 255, 41)],  # blue alone: d = 41
        [],
    )
    verdict = screen_single_colour(counts, PX2, counting=LITERAL)
    assert verdict.distances.tolist() == [40, 39, 0, 0, 41, 0]
    assert verdict.is_broken.tolist() == [True, False, False, False, True, False]
    stricter = screen_single_colour(counts, PX2, count_threshold=20, counting=LITERAL)
    assert stricter.is_broken.tolist() == [True, True, False, False, True, False]


def test_multi_colour_looks_at_the_highest_bright_count():
    counts = make_histograms(
        [(1, 245, 60), (0, 245, 25), (2, 245, 20), (0, 255, 59)],  # peak green 245; d = 60 − 20 = 40: broken
        [(1, 245, 60), (0, 245, 25), (2, 245, 21)],  # d = 39: kept; sum 106
        [(0, 239, 5000), (2, 240, 41)],  # 239 is not bright; peak blue 240, d = 41
        [(0, 250, 45), (1, 250, 45), (2, 250, 10), (2, 244, 45)],  # tie of 45: lowest value 244, blue; d = 45
        [(1, 250, 45), (2, 250, 45), (0, 250, 3)],  # tie at one value: lowest channel, green; d = 42
        [],  # nothing bright: peak red 240, d = 0
    )
    verdict = screen_multi_colour(counts, PX2, counting=LITERAL)
    assert verdict.channel_ids.tolist() == [1, 1, 2, 2, 1, 0]
    assert verdict.values.tolist() == [245, 245, 240, 244, 250, 240]
    assert verdict.distances.tolist() == [40, 39, 41, 45, 42, 0]
    assert verdict.sums.tolist() == [105, 106, 41, 45, 93, 0]
    assert verdict.is_broken.tolist() == [True, False, True, True, True, False]
    assert not verdict.is_white.any()


def test_white_is_by_the_sum_over_all_or_over_the_others():
    counts = make_histograms(
        [(0, 252, 340), (1, 252, 330), (2, 252, 330)],  # d = 10; all 1000: at the threshold; others 660
        [(0, 252, 340), (1, 252, 330), (2, 252, 329)],  # all 999; others 659
        [(0, 252, 520), (1, 252, 500), (2, 252, 500)],  # all 1520; others 1000
        [(0, 252, 900), (1, 252, 860), (2, 252, 860)],  # d = 40: by colour, so not white
    )
    by_all = screen_multi_colour(counts, PX2, counting=LITERAL)
    assert by_all.is_white.tolist() == [True, False, True, False]
    assert by_all.is_broken.tolist() == [True, False, True, True]
    by_others = screen_multi_colour(counts, PX2, sum_over="others", counting=LITERAL)
    assert by_others.sums.tolist() == [660, 659, 1000, 1720]
    assert by_others.is_white.tolist() == [False, False, True, False]
    assert by_others.is_broken.tolist() == [False, False, True, True]


def test_counts_are_those_of_an_image_of_the_reference_size():
    counts = make_histograms([(0, 255, 10), (1, 3, 100), (2, 3, 100)], [(0, 255, 9)])
    # a quarter of the reference's pixels: 10 count as 40
    assert screen_single_colour(counts, PX2 // 4).distances.tolist() == [40, 36]
    assert screen_multi_colour(counts, PX2 // 4).is_broken.tolist() == [True, False]
    wide = Counting("reference", 16 * PX2)
    assert screen_single_colour(counts, PX2, counting=wide).distances.tolist() == [160, 144]


def test_fractions_are_of_the_instances_pixels():
    counts = make_histograms([(c, 10, 190) for c in range(3)] + [(0, 255, 10)])
    counts[0, 0, 10] = 190  # red: 200 pixels, 10 of them saturated: 5 %
    verdict = screen_single_colour(counts, PX2, count_threshold=0.05, counting=Counting("fraction"))
    assert verdict.distances.tolist() == [pytest.approx(0.05)]
    assert verdict.is_broken.tolist() == [True]
    assert not screen_single_colour(counts, PX2, count_threshold=0.051, counting=Counting("fraction")).is_broken.any()


def test_rules_agree_with_a_loop_over_channels_and_values():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (200, 3, 256)) * rng.integers(0, 30, (200, 1, 1))
    for sum_over in ("all", "others"):
        verdict = screen_multi_colour(
            counts, PX2, count_threshold=60, white_count_threshold=150, sum_over=sum_over, counting=LITERAL
        )
        for n, h in enumerate(counts):
            best = (-1, 0, 0)
            for v in range(240, 256):
                for c in range(3):
                    if h[c][v] > best[0]:
                        best = (h[c][v], c, v)
            peak, c, v = best
            others = [h[k][v] for k in range(3) if k != c]
            total = sum(others) + (peak if sum_over == "all" else 0)
            is_broken = peak - min([*others, peak]) >= 60 or total >= 150
            assert (verdict.channel_ids[n], verdict.values[n], verdict.is_broken[n]) == (c, v, is_broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sum_over": "two"}, "sum_over"),
        ({"count_threshold": 0}, "count_threshold"),
        ({"white_count_threshold": -1}, "white_count_threshold"),
        ({"image_px2": 0}, "image_px2"),
        ({"histograms": np.zeros((2, 256, 3), int)}, "histograms"),
        ({"histograms": np.zeros((2, 3, 256))}, "histograms"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    with pytest.raises(ContractError, match=message):
        screen_multi_colour(**{"histograms": np.zeros((2, 3, 256), int), "image_px2": PX2} | change)


def test_critic_keeps_what_scores_like_real_images():
    screen = CriticScreen.fit([1.0, 2.0, 3.0, 4.0, 5.0], k=1.0)  # mean 3, std √(10 / 4)
    assert (screen.mean, screen.std) == (3.0, pytest.approx(1.5811388))
    assert screen.flag([3.0, 4.58, 4.59, 1.42, 1.41]).tolist() == [False, False, True, False, True]
    flags = CriticScreen(3.0, 1.5, 2.0).flag([6.0, 6.0000001, 0.0, -0.0000001, np.nan, np.inf])
    assert flags.tolist() == [False, True, False, True, True, True]  # the edges are kept


@pytest.mark.parametrize("scores", [[1.0], [2.0, 2.0, 2.0], [[1.0, 2.0]], [1.0, np.nan]])
def test_scores_without_spread_fit_no_critic(scores):
    with pytest.raises(ContractError):
        CriticScreen.fit(scores)
