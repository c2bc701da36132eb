import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.adaptive import AdaptiveState, adapt_probability, observe_logits  # noqa: E402


def observe(state, *logits):
    return observe_logits(state, torch.tensor(logits))


def test_signs_are_counted_and_not_sizes():
    state = observe(observe(AdaptiveState(), 100.0, -0.1, 0.2), 3.0, 0.0)
    assert state == AdaptiveState(probability=0.0, sign_sum=2.0, image_count=5)


def test_strength_grows_by_the_images_seen_when_the_discriminator_is_too_sure():
    sure = AdaptiveState(probability=0.25, sign_sum=90.0, image_count=100)  # r = 0.9
    assert adapt_probability(sure, ramp_images=1000) == AdaptiveState(probability=0.35)


def test_strength_falls_below_the_target_and_rests_on_it():
    unsure = AdaptiveState(probability=0.25, sign_sum=50.0, image_count=100)
    assert adapt_probability(unsure, ramp_images=1000).probability == pytest.approx(0.15)
    assert adapt_probability(unsure, target=0.5, ramp_images=1000).probability == 0.25


def test_strength_stays_within_its_bounds():
    sure, unsure = (AdaptiveState(0.5, signs, 100) for signs in (100.0, -100.0))
    assert adapt_probability(sure, ramp_images=100).probability == 0.8
    assert adapt_probability(sure, ramp_images=100, highest=1.0).probability == 1.0
    assert adapt_probability(unsure, ramp_images=100).probability == 0.0


def test_full_strength_takes_half_a_million_images():
    state = AdaptiveState()
    for _ in range(125):  # 500 updates of 1,000 images would be the whole way
        state = adapt_probability(AdaptiveState(state.probability, 1000.0, 1000))
    assert state.probability == pytest.approx(0.25)


def test_nothing_counted_changes_nothing():
    assert adapt_probability(AdaptiveState(0.3)) == AdaptiveState(0.3)
