import numpy as np
import pytest

from models.steps.screening import (
    BREAKAGES,
    Counting,
    histogram,
    judge,
    make_broken,
    screen_multi_colour,
    screen_single_colour,
)
from models.structures import ContractError
from tests.models.steps.screening.persons import paint_canvases

PX2 = 64 * 64


@pytest.fixture(scope="module")
def canvases():
    return paint_canvases(40, np.random.default_rng(0))


@pytest.mark.parametrize("kind", BREAKAGES)
def test_breaks_every_instance_and_nothing_else(canvases, kind):
    images, content = canvases
    before = images.copy()
    broken = make_broken(images, kind, np.random.default_rng(1), content_xyxy=content)
    np.testing.assert_array_equal(images, before)
    for image, old, (x0, y0, x1, y1) in zip(broken, images, content, strict=True):
        assert (image[y0:y1, x0:x1] != old[y0:y1, x0:x1]).any(axis=-1).mean() > 0.01
        outside = np.ones(image.shape[:2], bool)
        outside[y0:y1, x0:x1] = False
        assert (image[outside] == 0).all()
    again = make_broken(images, kind, np.random.default_rng(1), content_xyxy=content)
    np.testing.assert_array_equal(broken, again)


def test_kinds_are_what_their_names_say(canvases):
    images, content = canvases
    made = {
        kind: [
            image[y0:y1, x0:x1].astype(int)
            for image, (x0, y0, x1, y1) in zip(
                make_broken(images, kind, np.random.default_rng(1), content_xyxy=content), content, strict=True
            )
        ]
        for kind in BREAKAGES
    }
    for single in made["single_colour"]:  # saturated in one channel only
        saturated = (single == 255).any(axis=(0, 1))
        assert saturated.sum() == 1
    for white in made["white_out"]:
        assert ((white >= 244).all(axis=-1)).mean() > 0.1
        assert (np.ptp(white[(white >= 244).all(axis=-1)], axis=-1) == 0).all()
    for multi in made["multi_colour"]:
        assert ((multi >= 240).any(axis=-1) & (multi.min(axis=-1) < 201)).mean() > 0.02
    for blank in made["blank"]:
        assert (blank.std(axis=(0, 1)) < 4).all()
    for smeared, image in zip(made["smeared"], images, strict=True):
        gradients = [np.abs(np.diff(smeared, axis=axis)).mean() for axis in (0, 1)]
        assert min(gradients) < 0.6 * max(np.abs(np.diff(image.astype(int), axis=a)).mean() for a in (0, 1)) + 2
    for double in made["duplicated"]:
        rows, columns = double.shape[0] // 2, double.shape[1] // 2
        halves = [(double[:rows], double[-rows:], 0), (double[:, :columns], double[:, -columns:], 1)]
        least = min(np.abs(a - b).mean() for x, y, axis in halves for a, b in ((x, y), (x, np.flip(y, axis))))
        assert least < 5


def test_each_rule_finds_its_breakage_and_both_errors_are_measured(canvases):
    images, _ = canvases
    rng = np.random.default_rng(2)
    for kind, rule in (("single_colour", screen_single_colour), ("multi_colour", screen_multi_colour)):
        labelled = np.concatenate([images, make_broken(images, kind, rng)])
        is_broken = np.arange(80) >= 40
        judgement = judge(
            lambda batch, rule=rule: rule(histogram(batch), PX2, counting=Counting("literal")).is_broken,
            labelled,
            is_broken,
        )
        assert judgement.false_accept.value <= 0.1
        assert judgement.false_reject.value <= 0.1
        assert (judgement.false_accept.total, judgement.false_reject.total) == (40, 40)


def test_single_colour_rule_misses_white_outs_which_the_other_finds(canvases):
    images, content = canvases
    white = histogram(make_broken(images, "white_out", np.random.default_rng(3), content_xyxy=content))
    assert not screen_single_colour(white, PX2, counting=Counting("literal")).is_broken.any()
    assert screen_multi_colour(white, PX2, counting=Counting("literal")).is_white.mean() > 0.5


def test_too_small_a_box_stays_and_an_unknown_kind_is_refused(canvases):
    images, _ = canvases
    tiny = np.tile([10, 10, 11, 30], (40, 1))
    np.testing.assert_array_equal(make_broken(images, "noise", np.random.default_rng(0), content_xyxy=tiny), images)
    with pytest.raises(ContractError, match="kind"):
        make_broken(images, "melted", np.random.default_rng(0))
