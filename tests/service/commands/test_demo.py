"""The demo on the shipped models: every photo has its result, and the results make sense."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.renderer import render_photo
from models.structures import DAMAGE_CLASSES, rasterise_polygons
from service.commands.demo import demo_scenes, run_demo
from service.settings import Settings

PHOTOS = 24


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return out, run_demo(Settings(receive_wait_s=1), photos=PHOTOS, out=out)


def test_every_photo_has_its_result_overlay_and_place_on_the_page(shown):
    out, results = shown
    stems = [f"photo-{number:04}" for number in range(1, PHOTOS + 1)]
    assert [Path(r.image_id).stem for r in results] == stems
    page = (out / "index.html").read_text(encoding="utf-8")
    for stem in stems:
        document = json.loads((out / "results" / f"{stem}.json").read_text(encoding="utf-8"))
        assert document["status"] in ("inspected", "undamaged")
        assert cv2.imread(str(out / "overlays" / f"{stem}.png")).shape == (480, 640, 3)
        assert f'src="overlays/{stem}.png"' in page


def test_a_second_demo_in_the_same_folder_leaves_nothing_of_the_first(tmp_path: Path):
    run_demo(Settings(receive_wait_s=1), photos=3, out=tmp_path)
    results = run_demo(Settings(receive_wait_s=1), photos=2, out=tmp_path)
    assert len(results) == 2
    assert len(list((tmp_path / "results").iterdir())) == len(list((tmp_path / "overlays").iterdir())) == 2


def test_most_damaged_photos_are_found_and_most_undamaged_ones_let_go(shown):
    _, results = shown
    truth = [bool(scene["damages"]) for scene in demo_scenes(PHOTOS)]
    found = [result.damage_level == 1 for result in results]
    damaged = [f for f, t in zip(found, truth, strict=True) if t]
    undamaged = [f for f, t in zip(found, truth, strict=True) if not t]
    assert np.mean(damaged) >= 0.6, found
    assert np.mean(undamaged) <= 0.4, found


def test_most_regions_lie_on_damage(shown):
    _, results = shown
    on_damage = []
    for result, scene in zip(results, demo_scenes(PHOTOS), strict=True):
        masks = render_photo(**scene).masks
        near = cv2.dilate(masks.any(axis=0).astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
        for region in result.regions:
            assert region.label in DAMAGE_CLASSES
            on_damage.append(bool((rasterise_polygons([region.points], near.shape) & near).any()))
    assert len(on_damage) >= 6
    assert np.mean(on_damage) >= 0.5, on_damage
