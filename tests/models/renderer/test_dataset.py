"""Rendered photos as files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.renderer import annotation_of, render_dataset, render_photo
from models.renderer.dataset import save_jpeg
from models.structures import rasterise_polygons

SIZE_HW = (120, 160)


def test_annotation_is_the_seeds_json() -> None:
    photo = render_photo(2, size_hw=SIZE_HW, damages=("scratch", "spacing"))
    annotation = json.loads(json.dumps(annotation_of(photo, "2.jpg")))
    assert set(annotation) == {"image_id", "damage_level", "regions", "car_box_xyxy", "view", "context"}
    assert annotation["image_id"] == "2.jpg" and annotation["damage_level"] == 1
    for region in annotation["regions"]:
        assert set(region) == {"points", "class_name"}
        assert region["class_name"] in (1, 3)
        assert len(region["points"]) >= 3
        assert all(isinstance(v, int) for point in region["points"] for v in point)


def test_dataset_holds_one_photo_an_annotation(tmp_path: Path) -> None:
    returned = render_dataset(tmp_path, 6, 3, size_hw=SIZE_HW)
    written = json.loads((tmp_path / "annotations.json").read_text())
    assert written == returned and len(written) == 6
    assert sorted(p.name for p in (tmp_path / "images").iterdir()) == sorted(a["image_id"] for a in written)
    for annotation in written:
        image = cv2.imread(str(tmp_path / "images" / annotation["image_id"]))
        assert image.shape == (annotation["height"], annotation["width"], 3)
        mask = rasterise_polygons([r["points"] for r in annotation["regions"]], SIZE_HW)
        assert mask.any() == bool(annotation["damage_level"])


def test_dataset_shows_each_vehicle_from_several_views(tmp_path: Path) -> None:
    annotations = render_dataset(tmp_path, 8, 3, size_hw=SIZE_HW, photos_per_vehicle=4)
    vehicles = [a["vehicle_id"] for a in annotations]
    assert vehicles[:4] == [vehicles[0]] * 4 and vehicles[4:] == [vehicles[4]] * 4 and vehicles[0] != vehicles[4]
    assert len({a["view"] for a in annotations[:4]}) == 4


def test_longer_dataset_starts_with_the_shorter_one(tmp_path: Path) -> None:
    short = render_dataset(tmp_path / "short", 2, 5, size_hw=SIZE_HW)
    long = render_dataset(tmp_path / "long", 3, 5, size_hw=SIZE_HW)
    assert long[:2] == short
    for annotation in short:
        a, b = ((tmp_path / part / "images" / annotation["image_id"]).read_bytes() for part in ("short", "long"))
        assert a == b


def test_saved_jpeg_keeps_red_red(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 200
    save_jpeg(tmp_path / "red.jpg", image)
    blue, green, red = cv2.imread(str(tmp_path / "red.jpg")).mean(axis=(0, 1))
    assert red > 180 and green < 20 and blue < 20


@pytest.mark.parametrize(("photos", "seed", "name"), [(0, 1, "photos"), (2.5, 1, "photos"), (1, -1, "seed")])
def test_bad_dataset_argument_is_refused_by_name(tmp_path: Path, photos: int, seed: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        render_dataset(tmp_path, photos, seed)
