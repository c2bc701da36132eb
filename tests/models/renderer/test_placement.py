"""Damage shows: what is annotated can be seen, is large enough, and what cannot be seen is not placed."""

import functools

import cv2
import numpy as np
import pytest

from models.renderer import render_photo
from models.renderer.exposure import expose
from models.renderer.photo import Composition, compose_photo
from models.renderer.placement import MIN_AREA_PX2, MIN_CONTRAST, Placer
from models.structures import CLASS_IDS, DAMAGE_CLASSES

SIZE_HW = (240, 320)
SCALE = 0.5
CONDITIONS = (
    {"light": "day", "weather": "dry", "is_close_up": False},
    {"light": "dark", "weather": "dry", "is_close_up": True},
    {"light": "backlight", "weather": "rain", "is_close_up": False},
    {"light": "dark", "weather": "rain", "is_close_up": False, "is_blurred": True},
)


@functools.cache
def compose(seed: int, is_damaged: bool) -> Composition:
    damages = DAMAGE_CLASSES if is_damaged else ()
    return compose_photo(seed, size_hw=SIZE_HW, damages=damages, **CONDITIONS[seed % len(CONDITIONS)])


def patches_of(masks: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Class and pixels of each connected patch."""
    found = []
    for number, mask in enumerate(masks):
        count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        found += [(number, labels == label) for label in range(1, count)]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_every_region_stands_out_from_the_undamaged_photo(seed: int) -> None:
    damaged, twin = compose(seed, True), compose(seed, False)
    images = [expose(scene.picture, scene.exposure, np.random.default_rng(seed)) for scene in (damaged, twin)]
    smooth = [cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.0) for image in images]
    contrast = np.abs(smooth[0] - smooth[1]).mean(axis=-1)
    patches = patches_of(damaged.masks)
    assert {number for number, _ in patches} == {0, 1, 2}
    for _, patch in patches:
        assert contrast[patch].mean() >= 12


@pytest.mark.parametrize("seed", range(4))
def test_every_region_is_large_enough_to_be_seen(seed: int) -> None:
    for _, patch in patches_of(compose(seed, True).masks):
        assert np.count_nonzero(patch) >= MIN_AREA_PX2 * SCALE**2


@pytest.mark.parametrize("seed", range(4))
def test_gap_is_wider_than_a_panel_line(seed: int) -> None:
    gap = np.pad(compose(seed, True).masks[2].astype(np.uint8), 1)
    for label in range(1, cv2.connectedComponents(gap)[0]):
        widest = 2 * cv2.distanceTransform((cv2.connectedComponents(gap)[1] == label).astype(np.uint8), cv2.DIST_L2, 5)
        assert widest.max() - 1 >= 5 * SCALE


@pytest.mark.parametrize("seed", range(4))
def test_gap_is_darker_than_the_paint_was(seed: int) -> None:
    damaged, twin = compose(seed, True), compose(seed, False)
    gap = damaged.masks[2]
    assert damaged.picture[gap].mean() < twin.picture[gap].mean() - MIN_CONTRAST


@pytest.mark.parametrize("seed", range(4))
def test_scratch_mask_is_no_hairline(seed: int) -> None:
    masks = compose(seed, True).masks[:1]
    for _, patch in patches_of(masks):
        depth = cv2.distanceTransform(np.pad(patch.astype(np.uint8), 1), cv2.DIST_L2, 5)
        assert 2 * depth.max() >= 4 * SCALE


@pytest.mark.parametrize("seed", range(4))
def test_scratch_mask_is_what_the_scratch_changed(seed: int) -> None:
    damaged, twin = (
        compose_photo(seed, size_hw=SIZE_HW, damages=damages, light="day", weather="dry")
        for damages in (("scratch",), ())
    )
    changed = np.abs(damaged.picture - twin.picture).mean(axis=-1)
    mask = damaged.masks[0]
    assert changed[mask].sum() > 0.88 * changed.sum()
    assert (changed[mask] > 6).mean() > 0.75


@pytest.mark.parametrize("kind", DAMAGE_CLASSES)
def test_what_cannot_be_seen_is_neither_drawn_nor_annotated(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("models.renderer.placement.MIN_CONTRAST", 1000.0)
    photo = render_photo(1, size_hw=(120, 160), damages=(kind,))
    twin = render_photo(1, size_hw=(120, 160), damages=())
    assert photo.damage_level == 0 and photo.regions == ()
    np.testing.assert_array_equal(photo.image, twin.image)


def test_a_scratch_stands_in_for_damage_that_finds_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.renderer.placement.sample_dent", lambda site, rng: None)
    photo = render_photo(1, size_hw=(120, 160), damages=("dent",))
    assert {region.class_id for region in photo.regions} == {CLASS_IDS["scratch"]}


def test_scratches_that_may_cross_dents_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    placed = []
    monkeypatch.setattr(Placer, "_place_one", lambda self, kind, rng: placed.append(kind))
    compose_photo(0, size_hw=(96, 128), damages=("scratch", "dent", "spacing"))
    assert placed[-1] == "scratch" and placed.index("spacing") < placed.index("dent") < placed.index("scratch")
