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


def test_damaged_photos_are_marked_far_more_often_than_undamaged_ones(shown):
    """The shipped set marks 13 of these 15 damaged photos and 1 of these 9 undamaged ones."""
    _, results = shown
    is_damaged = np.array([bool(scene["damages"]) for scene in demo_scenes(PHOTOS)])
    is_marked = np.array([result.damage_level == 1 for result in results])
    assert is_marked[is_damaged].mean() >= 0.7
    assert is_marked[~is_damaged].mean() <= 0.2


def test_undamaged_photos_are_let_go_more_often_than_damaged_ones(shown):
    _, results = shown
    is_damaged = np.array([bool(scene["damages"]) for scene in demo_scenes(PHOTOS)])
    is_let_go = np.array([result.status == "undamaged" for result in results])
    assert is_let_go[~is_damaged].mean() > is_let_go[is_damaged].mean()


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
    assert np.mean(on_damage) >= 0.75, on_damage
