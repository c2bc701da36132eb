import json

import cv2
import numpy as np
import pytest

from models.data.photos import (
    DataError,
    choose_split,
    digest_photos,
    is_held_out,
    load_ignored,
    load_image,
    load_masks,
    load_photos,
    write_image,
)
from models.renderer import render_dataset
from tests.conftest import SHARED_DATA
from tests.models.tiny_data import SIZE_HW, write_folder


def test_polygon_becomes_the_mask_of_its_class(tmp_path):
    photo = load_photos([write_folder(tmp_path / "d")])[1]  # class 2, a rectangle from (40, 40) to (60, 50)
    masks = load_masks(photo)
    expected = np.zeros((3, *SIZE_HW), bool)
    expected[1, 40:51, 40:61] = True
    assert (masks == expected).all()


def test_image_is_written_as_it_is_read_or_the_failure_is_told(tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    assert (load_image(tmp_path / "a.png") == image).all()
    with pytest.raises(DataError, match=r"missing/a\.png: cannot be written"):
        write_image(tmp_path / "missing" / "a.png", image)


def test_photo_is_read_as_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((2, 2, 3), (0, 0, 255), np.uint8))
    assert load_image(tmp_path / "red.png")[0, 0].tolist() == [255, 0, 0]


def test_other_damage_is_neither_class_nor_background(tmp_path):
    folder = write_folder(tmp_path / "d")
    records = json.loads((folder / "annotations.json").read_text())
    records[0]["other_regions"] = [{"points": [[0, 0], [3, 0], [3, 3], [0, 3]], "source_class": "severe-broken"}]
    (folder / "annotations.json").write_text(json.dumps(records))
    photo = load_photos([folder])[0]
    assert load_ignored(photo).sum() == 16
    assert not load_masks(photo)[:, :4, :4].any()


def test_damaged_photo_without_regions_has_unknown_masks(tmp_path):
    folder = write_folder(tmp_path / "d")
    records = json.loads((folder / "annotations.json").read_text())
    records[0]["regions"] = []
    (folder / "annotations.json").write_text(json.dumps(records))
    photos = load_photos([folder])
    assert not photos[0].has_regions
    assert photos[5].has_regions  # undamaged: known to be empty


def test_real_folder_without_a_val_split_holds_out_the_same_groups_every_time(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d", rendered=False)])
    assert [p.split for p in photos] == ["val" if is_held_out(p.group) else "train" for p in photos]


def test_about_a_quarter_is_held_out():
    assert sum(is_held_out(f"car {n}") for n in range(2000)) == pytest.approx(500, abs=60)


def test_rendered_folder_keeps_the_split_it_was_rendered_for(tmp_path):
    assert {p.split for p in load_photos([write_folder(tmp_path / "d", split="train")])} == {"train"}


def test_rendered_vehicle_is_one_group(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d")])
    assert photos[0].group == photos[1].group != photos[2].group
    assert all(p.is_rendered for p in photos)


def test_renderers_folder_is_a_data_folder(tmp_path):
    render_dataset(tmp_path / "r", 2, 7, size_hw=(120, 160))
    photos = load_photos([tmp_path / "r"])
    assert [load_masks(p).shape for p in photos] == [(3, 120, 160)] * 2
    assert all(p.is_rendered for p in photos)


def test_digest_follows_the_annotations(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d")])
    assert digest_photos(photos) == digest_photos(reversed(photos)) != digest_photos(photos[1:])


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '[{"image_id": "a.jpg"}]'])
def test_wrong_annotations_are_refused_by_name(tmp_path, text):
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(DataError, match=r"annotations\.json"):
        load_photos([tmp_path])


def test_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        load_photos([tmp_path / "nowhere"])


def test_split_without_photos_is_refused(tmp_path):
    with pytest.raises(DataError, match="val"):
        choose_split(load_photos([write_folder(tmp_path / "d")]), "val")


@pytest.mark.shared_data
def test_no_car_of_the_real_polygons_is_in_two_splits():
    photos = load_photos([SHARED_DATA / "damage_polygons"])
    train = {p.group for p in photos if p.split == "train"}
    assert train.isdisjoint(p.group for p in photos if p.split == "val")
    assert len(photos) == 650


@pytest.mark.parametrize("is_pseudo", [True, False])
def test_pseudo_labelled_photos_are_all_trained_on(tmp_path, is_pseudo):
    folder = write_folder(tmp_path / "data", rendered=False, split="train")
    path = folder / "annotations.json"
    records = [
        {**record, "group": f"car-{n}", "pseudo": is_pseudo} for n, record in enumerate(json.loads(path.read_text()))
    ]
    path.write_text(json.dumps(records))
    photos = load_photos([folder])
    assert [photo.is_pseudo for photo in photos] == [is_pseudo] * 6
    expected = ["train" if is_pseudo or not is_held_out(photo.group) else "val" for photo in photos]
    assert [photo.split for photo in photos] == expected
    assert is_pseudo or "val" in expected
