"""What counts as worse, and what is chance; every number worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from service.cluster.judgement import Measures, Tolerances, judge

SOUND = Measures(photos=1000, judged=1000, let_through=300, regions=500, failures=0, mean_s=0.4)


def judge_candidate(tolerances: Tolerances | None = None, **changes: float):
    return judge(SOUND, replace(SOUND, **changes), tolerances or Tolerances())


def test_the_same_numbers_are_good():
    verdict = judge_candidate()
    assert verdict.has_enough
    assert not verdict.is_failing
    assert verdict.bad == ""


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        # Two standard errors of two shares of about 0.3 among 1,000 each: 2·√(0.345·0.655·2/1000) = 0.0425.
        ({"let_through": 300 + 95}, "gate rate"),
        ({"let_through": 300 - 95}, "gate rate"),
        # Regions on each photo let through: 500/300 and 770/300, so that 2m - 1 is 2.33 and 4.13.
        # 0.25 · 0.5 and 2·√(500·2.33 + 770·4.13) / 1000 = 0.132 make 0.257 allowed.
        ({"regions": 770}, "regions a photo"),
        ({"regions": 290}, "regions a photo"),
        ({"failures": 30}, "error ratio"),
        ({"mean_s": 0.51}, "mean seconds"),
    ],
)
def test_a_clear_difference_is_bad_and_named(changes: dict[str, float], name: str):
    verdict = judge_candidate(**changes)
    assert verdict.bad.startswith(name)
    assert [finding.name for finding in verdict.findings if finding.is_bad] == [name]


@pytest.mark.parametrize(
    "changes",
    [
        {"let_through": 385},
        {"let_through": 215},
        {"regions": 750},
        {"failures": 15},
        {"mean_s": 0.49},
        {"mean_s": 0.01},
    ],
)
def test_what_tolerance_and_chance_allow_is_good(changes: dict[str, float]):
    assert judge_candidate(**changes).bad == ""


def test_a_small_sample_is_forgiven_more():
    rate = {"let_through": 0.40}
    large = judge_candidate(let_through=400)
    small = judge(SOUND, Measures(50, 50, 50 * rate["let_through"], 25, 0, 0.4), Tolerances())
    assert "gate rate" in large.bad
    assert "gate rate" not in small.bad


@pytest.mark.parametrize("photos", [(200, 600), (1000, 3000)])
def test_regions_that_lie_on_few_photos_are_no_reason_to_refuse(photos: tuple[int, int]):
    """2 % of photos with damage, three regions on each in the mean: two sets that are the same."""
    rng = np.random.default_rng(7)

    def draw(count: int) -> Measures:
        damaged = rng.binomial(count, 0.02)
        return Measures(count, count, damaged, rng.geometric(1 / 3, damaged).sum(), 0, 0.4)

    refused = sum("regions" in judge(draw(photos[1]), draw(photos[0]), Tolerances()).bad for _ in range(1000))
    assert refused < 50


def test_fewer_than_five_failures_say_nothing():
    assert not judge(SOUND, Measures(20, 20, 6, 10, 4, 0.4), Tolerances()).is_failing
    assert judge(SOUND, Measures(20, 20, 6, 10, 5, 0.4), Tolerances()).is_failing


def test_a_candidate_that_only_fails_is_failing_before_it_judged_a_photo():
    verdict = judge(SOUND, Measures(0, 0, 0, 0, 12, math.nan), Tolerances())
    assert verdict.is_failing
    assert not verdict.has_enough


@pytest.mark.parametrize("side", ["incumbent", "candidate"])
def test_both_sides_need_enough_photos(side: str):
    few = replace(SOUND, judged=199)
    pair = (few, SOUND) if side == "incumbent" else (SOUND, few)
    assert not judge(*pair, Tolerances(min_photos=200)).has_enough
    assert judge(*pair, Tolerances(min_photos=199)).has_enough


def test_an_unknown_latency_decides_nothing():
    verdict = judge_candidate(mean_s=math.nan)
    assert not verdict.has_enough
    assert verdict.bad == ""
