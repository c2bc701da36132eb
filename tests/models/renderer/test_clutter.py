"""Look-alikes on the paint: dirt, drops, droppings, stickers and hard shadows."""

import numpy as np
import pytest

from models.renderer.clutter import sample_clutter
from models.renderer.shadows import throw_shadows
from models.renderer.site import Site, depth_of
from models.renderer.surroundings import sample_surroundings

SIZE_HW = (60, 80)


class _FlatSide:
    """A car's side that fills the window: one metre wide, facing left."""

    def __init__(self) -> None:
        rows, columns = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]].astype(np.float32)
        self.position = np.stack([columns / 80, np.ones_like(rows), 1 - rows / 80], axis=-1)


def flat_site() -> Site:
    is_paint = np.ones(SIZE_HW, bool)
    return Site(_FlatSide(), None, is_paint, np.full(SIZE_HW, 80, np.float32), depth_of(is_paint), (), 1.0)


def test_clutter_is_sometimes_there_and_repeats_with_its_seed() -> None:
    site, opaque = flat_site(), 0
    for seed in range(40):
        first, second = (sample_clutter(site, np.random.default_rng(seed), is_rainy=False) for _ in range(2))
        np.testing.assert_array_equal(first.opacity, second.opacity)
        assert first.opacity.min() >= 0 and first.opacity.max() <= 1
        assert np.isfinite(first.albedo).all() and first.albedo.min() >= 0
        opaque += first.opacity.max() > 0.7
    assert 8 <= opaque <= 36


def test_rain_beads_on_the_paint() -> None:
    for seed in range(5):
        wet = sample_clutter(flat_site(), np.random.default_rng(seed), is_rainy=True)
        assert wet.gleam.max() > 0.1 and 0 < (wet.gleam > 0).mean() < 0.8


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shadow_needs_a_sun(share: float) -> None:
    position = _FlatSide().position
    shaded = 0
    surroundings = sample_surroundings(np.random.default_rng(2))
    surroundings.sun_colour[:] = share
    for seed in range(16):
        sunlit = throw_shadows(position, surroundings, np.random.default_rng(seed))
        assert sunlit.shape == SIZE_HW and sunlit.min() >= 0 and sunlit.max() <= 1.001
        shaded += sunlit.min() < 0.5
    assert (shaded > 2) == (share > 0)
