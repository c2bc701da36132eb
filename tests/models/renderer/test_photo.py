"""The renderer's photos: repeatable, with the damage that was asked for, and masks that tell the truth."""

import functools
import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.renderer import VIEWS, annotation_of, render_photo
from models.renderer.car import BODY_STYLES, sample_vehicle
from models.renderer.photo import Composition, compose_photo
from models.structures import CLASS_IDS, DAMAGE_CLASSES, rasterise_polygons

SIZE_HW = (240, 320)
ROOT = Path(__file__).parents[3]


@functools.cache
def composed(seed: int, damages: tuple[str, ...], is_close_up: bool | None = None) -> Composition:
    return compose_photo(seed, size_hw=SIZE_HW, damages=damages, is_close_up=is_close_up)


def digest_of(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def widen(mask: np.ndarray, by_px: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)).astype(bool)


def test_same_seed_gives_same_pixels() -> None:
    first, second = (render_photo(7, size_hw=SIZE_HW, damages=DAMAGE_CLASSES) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.masks, second.masks)
    assert first.regions == second.regions


def test_same_seed_gives_same_pixels_in_another_process() -> None:
    code = (
        "import hashlib; from models.renderer import render_photo; "
        "print(hashlib.sha256(render_photo(11, size_hw=(240, 320)).image.tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest_of(render_photo(11, size_hw=SIZE_HW).image)


def test_rendering_leaves_numpys_global_random_state_alone() -> None:
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    render_photo(0, size_hw=SIZE_HW)
    assert np.random.random() == expected


def test_different_seeds_give_different_photos() -> None:
    assert len({digest_of(render_photo(seed, size_hw=(120, 160)).image) for seed in range(6)}) == 6


@pytest.mark.parametrize("size_hw", [(240, 320), (320, 240), (97, 131)])
def test_photo_has_the_asked_size_and_types(size_hw: tuple[int, int]) -> None:
    photo = render_photo(1, size_hw=size_hw)
    assert photo.image.shape == (*size_hw, 3) and photo.image.dtype == np.uint8
    assert photo.masks.shape == (3, *size_hw) and photo.masks.dtype == np.bool_


@pytest.mark.parametrize(("seed", "view"), list(enumerate(VIEWS)))
def test_every_asked_damage_is_in_the_photo(seed: int, view: str) -> None:
    photo = render_photo(seed, size_hw=SIZE_HW, view=view, damages=DAMAGE_CLASSES, is_close_up=bool(seed % 2))
    assert photo.view == view
    assert photo.damage_level == 1
    assert photo.masks.any(axis=(1, 2)).all()
    assert {region.class_id for region in photo.regions} == {1, 2, 3}


@pytest.mark.parametrize("kind", DAMAGE_CLASSES)
def test_only_the_asked_damage_is_in_the_photo(kind: str) -> None:
    photo = render_photo(5, size_hw=SIZE_HW, damages=(kind,))
    assert {region.class_id for region in photo.regions} == {CLASS_IDS[kind]}
    assert [mask.any() for mask in photo.masks] == [name == kind for name in DAMAGE_CLASSES]


@pytest.mark.parametrize("seed", range(3))
def test_undamaged_photo_has_empty_masks_whatever_lies_on_the_car(seed: int) -> None:
    photo = render_photo(seed, size_hw=SIZE_HW, damages=(), weather="rain", light="backlight")
    assert photo.damage_level == 0
    assert not photo.masks.any()
    assert photo.regions == ()


def test_about_half_the_photos_are_undamaged_when_nothing_is_asked() -> None:
    levels = [render_photo(seed, size_hw=(96, 128)).damage_level for seed in range(24)]
    assert 6 <= sum(levels) <= 18


@pytest.mark.parametrize("seed", range(4))
def test_masks_lie_on_the_car(seed: int) -> None:
    scene = composed(seed, DAMAGE_CLASSES)
    assert not (scene.masks & ~scene.car_mask).any()


@pytest.mark.parametrize("seed", range(4))
def test_undamaged_twin_differs_in_the_masks_alone(seed: int) -> None:
    damaged, twin = composed(seed, DAMAGE_CLASSES), composed(seed, ())
    assert damaged.exposure.jpeg_quality == twin.exposure.jpeg_quality and damaged.exposure.noise == twin.exposure.noise
    changed = np.abs(damaged.picture - twin.picture).mean(axis=-1)
    mask = damaged.masks.any(axis=0)
    # a dent's border fades out below what can be seen; the rest ends at its mask
    assert changed[~widen(mask, 5)].max(initial=0) < 40
    assert changed[~widen(mask, 5)].sum() < 0.08 * changed.sum()
    assert changed[~widen(mask, 60)].max(initial=0) == 0


def test_sensor_noise_is_the_same_with_and_without_damage() -> None:
    damaged, twin = (render_photo(2, size_hw=SIZE_HW, damages=d, is_blurred=False) for d in (("spacing",), ()))
    far = ~widen(damaged.masks.any(axis=0), 12)
    assert np.abs(damaged.image[far].astype(int) - twin.image[far]).mean() < 0.5


def test_lens_and_sensor_flaws_do_not_move_the_masks() -> None:
    photo, scene = render_photo(4, size_hw=SIZE_HW, damages=DAMAGE_CLASSES), composed(4, DAMAGE_CLASSES)
    np.testing.assert_array_equal(photo.masks, scene.masks)
    # the finished photo is the composed picture, only softer and noisier
    assert np.abs(photo.image.astype(float) - scene.picture).mean() < 12


@pytest.mark.parametrize("seed", range(4))
def test_regions_redraw_the_masks(seed: int) -> None:
    photo = render_photo(seed, size_hw=SIZE_HW, damages=DAMAGE_CLASSES)
    annotation = annotation_of(photo, "a.jpg")
    for mask, class_name in zip(photo.masks, DAMAGE_CLASSES, strict=True):
        polygons = [r["points"] for r in annotation["regions"] if r["class_name"] == CLASS_IDS[class_name]]
        redrawn = rasterise_polygons(polygons, mask.shape)
        assert (mask & redrawn).sum() / (mask | redrawn).sum() >= 0.95


def test_car_box_holds_the_car_and_close_up_has_none() -> None:
    for seed in range(4):
        scene = composed(seed, (), False)
        x0, y0, x1, y1 = scene.car_box_xyxy
        inside = np.zeros(SIZE_HW, bool)
        inside[y0:y1, x0:x1] = True
        assert not (scene.car_mask & ~inside).any()
        assert scene.car_mask[:, [x0, x1 - 1]].any(axis=0).all() and scene.car_mask[[y0, y1 - 1]].any(axis=1).all()
        assert (x1 - x0) * (y1 - y0) > 0.08 * SIZE_HW[0] * SIZE_HW[1]
    assert render_photo(0, size_hw=SIZE_HW, is_close_up=True).car_box_xyxy is None


def test_whole_car_stays_inside_the_frame() -> None:
    cut = 0
    for seed in range(12):
        x0, y0, x1, y1 = render_photo(seed, size_hw=(96, 128), damages=(), is_close_up=False).car_box_xyxy
        cut += x0 == 0 or y0 == 0 or x1 == 128 or y1 == 96
    assert cut <= 2


def test_close_up_is_filled_by_the_car() -> None:
    for seed in range(4):
        scene = compose_photo(seed, size_hw=(120, 160), damages=(), is_close_up=True)
        assert scene.conditions.is_close_up
        assert scene.car_mask.mean() > 0.45


def test_vehicle_seed_alone_fixes_the_vehicle() -> None:
    assert sample_vehicle(3).albedo == sample_vehicle(3).albedo
    np.testing.assert_array_equal(sample_vehicle(3).levels, sample_vehicle(3).levels)
    assert len({sample_vehicle(seed).albedo for seed in range(20)}) == 20
    assert {sample_vehicle(seed).style for seed in range(60)} == set(BODY_STYLES)


def test_photos_of_one_vehicle_share_its_colour() -> None:
    def hue_of(seed: int, vehicle_seed: int) -> np.ndarray:
        scene = compose_photo(
            seed,
            size_hw=SIZE_HW,
            view="left",
            damages=(),
            is_close_up=False,
            vehicle_seed=vehicle_seed,
            light="day",
            weather="dry",
        )
        x0, y0, x1, y1 = scene.car_box_xyxy
        middle = scene.picture[
            y0 + (y1 - y0) * 5 // 9 : y0 + (y1 - y0) * 2 // 3, (x0 + x1) // 2 - 30 : (x0 + x1) // 2 + 30
        ]
        colour = np.median(middle.reshape(-1, 3), axis=0)
        return colour / colour.sum()

    red = next(seed for seed in range(99) if sample_vehicle(seed).albedo[0] > 6 * sample_vehicle(seed).albedo[2])
    blue = next(seed for seed in range(99) if sample_vehicle(seed).albedo[2] > 4 * sample_vehicle(seed).albedo[0])
    for scene in range(3):
        assert hue_of(scene, red)[0] > 0.38 > hue_of(scene, blue)[0]
        assert hue_of(scene, blue)[2] > hue_of(scene, red)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed: expected a whole number of 0 or more, found -1"),
        ({"seed": 1.5}, "seed: expected a whole number of 0 or more, found 1.5"),
        ({"seed": 0, "vehicle_seed": "a"}, "vehicle_seed: expected a whole number of 0 or more, found 'a'"),
        ({"seed": 0, "size_hw": (10, 640)}, r"size_hw: expected .* 96 pixels, found \(10, 640\)"),
        ({"seed": 0, "size_hw": 480}, "size_hw: expected .* found 480"),
        ({"seed": 0, "view": "top"}, "view: expected one of front, .* found 'top'"),
        ({"seed": 0, "damages": ("rust",)}, r"damages: expected .* found \('rust',\)"),
        ({"seed": 0, "damages": "scratch"}, "damages: expected a sequence .* found 'scratch'"),
        ({"seed": 0, "is_close_up": "yes"}, "is_close_up: expected True, False or None, found 'yes'"),
        ({"seed": 0, "is_blurred": 1}, "is_blurred: expected True, False or None, found 1"),
        ({"seed": 0, "light": "dim"}, "light: expected one of day, dark, backlight or None, found 'dim'"),
        ({"seed": 0, "weather": "snow"}, "weather: expected one of dry, rain or None, found 'snow'"),
    ],
)
def test_bad_argument_is_refused_by_name(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_photo(**arguments)
