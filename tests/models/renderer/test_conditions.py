"""Night, backlight, rain and blur do to a photo what they say; look-alikes are drawn and never labelled."""

import functools

import cv2
import numpy as np
import pytest

from models.renderer import annotation_of, render_photo
from models.renderer.canvas import Canvas, paint_canvas
from models.renderer.conditions import LIGHTS, WEATHERS, Conditions, sample_conditions
from models.renderer.exposure import Darkroom, sample_exposure
from models.renderer.lens import sample_lens
from models.renderer.photo import Composition, compose_photo
from models.renderer.shapes import line
from models.structures import DAMAGE_CLASSES

SIZE_HW = (120, 160)
PLAIN = {"light": "day", "weather": "dry", "is_blurred": False, "is_close_up": False}


@functools.cache
def compose(seed: int, light: str = "day", weather: str = "dry") -> Composition:
    return compose_photo(seed, size_hw=SIZE_HW, damages=(), **(PLAIN | {"light": light, "weather": weather}))


@pytest.mark.parametrize("seed", range(4))
def test_dark_photo_is_darker_and_noisier(seed: int) -> None:
    day, dark = compose(seed), compose(seed, "dark")
    assert dark.picture.mean() < 0.8 * day.picture.mean()
    assert dark.exposure.noise > day.exposure.noise + 1


@pytest.mark.parametrize("seed", range(4))
def test_backlight_lifts_the_blacks_and_flattens_the_car(seed: int) -> None:
    day, backlit = compose(seed), compose(seed, "backlight")
    assert np.percentile(backlit.picture, 2) > np.percentile(day.picture, 2) + 10
    spread = [np.ptp(np.percentile(scene.picture[day.car_mask], [2, 90])) for scene in (day, backlit)]
    assert spread[1] < 0.9 * spread[0]


@pytest.mark.parametrize("seed", range(3))
def test_rain_lays_streaks_and_drops_over_the_photo(seed: int) -> None:
    picture = np.full((120, 160, 3), 90, np.float32)
    rain = Conditions("day", "rain", False, False)
    layer = sample_lens(rain, picture, 0.25, np.random.default_rng(seed))
    assert layer.opacity.max() > 0.5 and 0.005 < (layer.opacity > 0.1).mean() < 0.6
    darkroom = Darkroom(sample_exposure(rain, 0.25, np.random.default_rng(0)), (120, 160))
    darkroom.lens = layer
    changed = np.abs(darkroom.look_through_lens(picture, np.s_[0:120, 0:160]) - picture).max(axis=-1)
    assert changed.max() > 20 and not changed[layer.opacity == 0].any()


def test_dry_photo_in_plain_light_has_a_clean_lens() -> None:
    picture = np.zeros((96, 96, 3), np.float32)
    assert sample_lens(Conditions("day", "dry", True, True), picture, 0.2, np.random.default_rng(0)) is None


@pytest.mark.parametrize("seed", range(6))
def test_blurred_photo_loses_detail(seed: int) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (80, 80, 3)).astype(np.float32)
    detail = []
    for is_blurred in (False, True):
        conditions = Conditions("day", "dry", is_blurred, False)
        soft = sample_exposure(conditions, 1.0, np.random.default_rng(seed)).soften(picture)
        detail.append(cv2.Laplacian(soft, cv2.CV_32F).std())
    assert detail[1] < 0.7 * detail[0]


def test_motion_blur_keeps_brightness() -> None:
    conditions = Conditions("day", "dry", True, False)
    exposures = [sample_exposure(conditions, 1.0, np.random.default_rng(seed)) for seed in range(20)]
    moved = [exposure for exposure in exposures if exposure.motion_px >= 2]
    assert 0 < len(moved) < 20
    for exposure in moved:
        flat = exposure.soften(np.full((40, 40, 3), 100, np.float32))
        np.testing.assert_allclose(flat, 100, rtol=1e-4)


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("weather", WEATHERS)
def test_annotation_names_the_conditions(light: str, weather: str) -> None:
    photo = render_photo(
        3, size_hw=(96, 128), view="rear", light=light, weather=weather, is_blurred=True, is_close_up=False
    )
    annotation = annotation_of(photo, "a.jpg")
    assert annotation["view"] == "rear"
    assert annotation["context"] == {"light": light, "weather": weather, "is_blurred": True, "is_close_up": False}


def test_drawn_conditions_are_mostly_plain_and_sometimes_not() -> None:
    drawn = [sample_conditions(np.random.default_rng(seed), None, None, None, None) for seed in range(400)]
    for share, low, high in (
        (np.mean([c.light == "day" for c in drawn]), 0.7, 0.9),
        (np.mean([c.light == "dark" for c in drawn]), 0.05, 0.16),
        (np.mean([c.weather == "rain" for c in drawn]), 0.05, 0.16),
        (np.mean([c.is_blurred for c in drawn]), 0.06, 0.18),
        (np.mean([c.is_close_up for c in drawn]), 0.28, 0.42),
    ):
        assert low < share < high


def test_asking_for_one_condition_leaves_the_others_as_drawn() -> None:
    for seed in range(20):
        drawn = sample_conditions(np.random.default_rng(seed), None, None, None, None)
        asked = sample_conditions(np.random.default_rng(seed), "dark", None, None, None)
        assert asked == Conditions("dark", drawn.weather, drawn.is_blurred, drawn.is_close_up)


def test_a_window_is_developed_as_within_the_whole_photo() -> None:
    light = np.random.default_rng(0).uniform(0, 1, (60, 80, 3)).astype(np.float32)
    darkroom = Darkroom(
        sample_exposure(Conditions("day", "dry", False, False), 1.0, np.random.default_rng(1)), (60, 80)
    )
    window = np.s_[20:45, 30:70]
    whole = darkroom.develop(light, np.s_[0:60, 0:80])
    np.testing.assert_allclose(darkroom.develop(light[window], window), whole[window], rtol=1e-5)


@pytest.mark.parametrize("scale", [200.0, 800.0])
def test_plain_panel_line_stays_thin_however_close(scale: float) -> None:
    canvas = Canvas((0.0, 0.0), (scale, scale), (64, 64), widest_line_px=2.0)
    across = np.array([[-1.0, 32 / scale], [1.0, 32 / scale]])
    _, layers = paint_canvas(canvas, [line(across, 0.0052)])
    assert 1 <= np.count_nonzero(layers[:, 32, 2] > 127) <= 3


def test_distractors_vary_and_never_enter_the_masks() -> None:
    pictures = {}
    for seed in range(4):
        plain, damaged = compose(seed), compose_photo(seed, size_hw=SIZE_HW, damages=DAMAGE_CLASSES, **PLAIN)
        far = ~cv2.dilate(damaged.masks.any(axis=0).astype(np.uint8), np.ones((31, 31), np.uint8)).astype(bool)
        np.testing.assert_array_equal(plain.picture[far], damaged.picture[far])
        assert not plain.masks.any()
        pictures[seed] = plain.picture.tobytes()
    assert len(set(pictures.values())) == 4
