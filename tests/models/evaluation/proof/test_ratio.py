import pytest

from models.evaluation.proof.ratio import RatioOnVal, choose_ratio


def test_highest_mean_over_seeds_is_chosen():
    chosen = choose_ratio([RatioOnVal(0.3, (0.9, 0.5)), RatioOnVal(0.1, (0.7, 0.8)), RatioOnVal(0.2, (0.6, 0.6))])
    assert chosen.ratio == 0.1
    assert [c.ratio for c in chosen.candidates] == [0.1, 0.2, 0.3]


def test_of_equal_ratios_the_smallest_is_chosen():
    assert choose_ratio([RatioOnVal(0.4, (0.7,)), RatioOnVal(0.2, (0.7,)), RatioOnVal(0.3, (0.6,))]).ratio == 0.2


@pytest.mark.parametrize(
    "results",
    [
        [],
        [RatioOnVal(0.1, (0.5,)), RatioOnVal(0.1, (0.6,))],
        [RatioOnVal(0.1, (0.5,)), RatioOnVal(0.2, (0.6, 0.7))],
        [RatioOnVal(0.1, ())],
        [RatioOnVal(0.1, (float("nan"),))],
        [RatioOnVal(0.1, (71.0,))],
    ],
)
def test_results_that_cannot_be_compared_are_refused(results):
    with pytest.raises(ValueError, match="val_results"):
        choose_ratio(results)
