import json

import cv2
import numpy as np
import pytest
import yaml

from models.data.formats import Box, Dataset, FaultyAnnotationsError, Photo
from models.data.photos import DataError
from models.data.scenes import scene_of, split_three_ways
from models.job.dataset import copy_dataset, load_dataset_step
from tests.models.job.scenes import SIZE_HW, encode, write_yolo


def photo(name, split=""):
    return Photo(name, 10, 10, boxes=(Box("person", (1.0, 1.0, 5.0, 9.0)),), split=split)


def splits(*photos):
    return {p.image_id: p.split for p in split_three_ways(Dataset(photos, ("person",))).photos}


def test_val_becomes_test_and_scenes_of_train_become_val(tmp_path):
    source = write_yolo(tmp_path / "source", train=40)
    done = copy_dataset(source, "person", tmp_path / "dataset")
    data = load_dataset_step(tmp_path / "dataset")
    assert done.result["photos"]["test"] == 6
    assert {p.image_id for p in data.choose("test")} == {f"val{n:03d}.png" for n in range(6)}
    assert 1 <= len(data.choose("val")) <= 15
    assert len(data.photos) == 46
    assert data.class_names[data.class_id] == "person"
    first = data.choose("test")[0]
    assert first.path.read_bytes() == (source / "images" / "val" / "val000.png").read_bytes()
    assert first.boxes_xyxy.shape == (2, 4)
    assert first.class_ids.tolist() == [0, 1]
    np.testing.assert_allclose(first.boxes_xyxy[0], [80, 60, 120, 80], atol=1e-3)
    layout = yaml.safe_load((tmp_path / "dataset" / "data.yaml").read_text())
    assert {layout[name] for name in ("train", "val", "test")} == {"images/train", "images/val", "images/test"}


def test_three_splits_stay_as_they_are():
    assert splits(photo("a", "train"), photo("b", "val"), photo("c", "test")) == {"a": "train", "b": "val", "c": "test"}


def test_photo_of_no_split_beside_three_is_one_to_learn_from():
    assert splits(photo("a"), photo("b", "val"), photo("c", "test")) == {"a": "train", "b": "val", "c": "test"}


def test_folder_without_splits_gets_three_by_scene():
    found = splits(*(photo(f"{number}") for number in range(400)))
    counts = {name: list(found.values()).count(name) for name in ("train", "val", "test")}
    assert counts["train"] > 240
    assert 35 <= counts["val"] <= 85
    assert 35 <= counts["test"] <= 85


def test_augmented_versions_of_a_photo_are_one_scene():
    names = [f"shot_jpg.rf.{digit * 32}.jpg" for digit in "0a7"]
    assert {scene_of(photo(name)) for name in names} == {"shot_jpg"}
    assert scene_of(photo("day/shot.jpg")) == "day/shot"
    many = [photo(f"{number}_jpg.rf.{digit * 32}.jpg") for number in range(60) for digit in "0a7"]
    found = splits(*many)
    for number in range(60):
        assert len({split for name, split in found.items() if name.startswith(f"{number}_")}) == 1


def test_outlines_are_kept_beside_their_boxes(tmp_path):
    source = write_yolo(tmp_path / "source", val=3, test=3)
    labels = source / "labels" / "train" / "train001.txt"
    height, width = SIZE_HW
    corners = [(10, 12), (30, 16), (20, 60)]
    numbers = " ".join(f"{x / width:.9f} {y / height:.9f}" for x, y in corners)
    labels.write_text(f"{encode(1, (40, 30, 60, 90))}\n0 {numbers}\n")
    done = copy_dataset(source, "person", tmp_path / "dataset")
    found = next(p for p in load_dataset_step(tmp_path / "dataset").photos if p.image_id == "train001.png")
    np.testing.assert_allclose(found.boxes_xyxy, [[40, 30, 60, 90], [10, 12, 30, 60]], atol=1e-4)
    assert found.class_ids.tolist() == [1, 0]
    assert found.outlines_xy[0] is None
    np.testing.assert_allclose(found.outlines_xy[1], corners, atol=1e-6)
    lines = (tmp_path / "dataset" / "labels" / "train" / "train001.txt").read_text().splitlines()
    assert [len(line.split()) for line in lines] == [5, 5]  # detectors learn boxes
    assert done.result["instances"]["train"]["truck"] == 8  # on every third of twenty, and this one
    assert done.result["turned"] is None


def test_class_that_nobody_shows_is_refused_with_those_there_are(tmp_path):
    source = write_yolo(tmp_path / "source")
    with pytest.raises(DataError, match=r"no instance of 'face' .* the classes are truck \(\d+\), person \(\d+\)"):
        copy_dataset(source, "face", tmp_path / "dataset")
    assert [entry.name for entry in tmp_path.iterdir() if entry.name == "dataset"] == []


def test_split_without_the_class_is_refused(tmp_path):
    source = write_yolo(tmp_path / "source", val=3, test=3)
    for path in (source / "labels" / "test").iterdir():
        path.write_text("")
    with pytest.raises(DataError, match="no instance of 'person' in what is test"):
        copy_dataset(source, "person", tmp_path / "dataset")


def test_box_out_of_the_frame_is_named_with_file_and_line(tmp_path):
    source = write_yolo(tmp_path / "source")
    labels = source / "labels" / "train" / "train001.txt"
    labels.write_text(labels.read_text() + encode(1, (100, 10, 140, 50)) + "\n")
    with pytest.raises(FaultyAnnotationsError, match=r"train001\.txt:3: box ends at x"):
        copy_dataset(source, "person", tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_missing_folder_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        copy_dataset(tmp_path / "none", "person", tmp_path / "dataset")


def test_several_folders_become_one_whatever_their_formats(tmp_path):
    first = write_yolo(tmp_path / "first", train=12, val=4)
    second = tmp_path / "second"
    (second / "images").mkdir(parents=True)
    assert cv2.imwrite(str(second / "images" / "car.png"), np.zeros((40, 60, 3), np.uint8))
    record = {"image_id": "car.png", "damage_level": 0, "split": "train", "car_box_xyxy": [5, 5, 50, 30], "regions": []}
    (second / "annotations.json").write_text(json.dumps([record]))
    copy_dataset(first, "person", tmp_path / "dataset", more=[second])
    data = load_dataset_step(tmp_path / "dataset")
    assert data.class_names[:2] == ("truck", "person")
    (added,) = [photo for photo in data.photos if photo.image_id.endswith("car.png")]
    assert data.class_names[added.class_ids[0]] == "car"
    np.testing.assert_allclose(added.boxes_xyxy, [[5, 5, 50, 30]])
    assert len(data.photos) == 17


def test_photos_of_one_name_in_two_folders_are_refused(tmp_path):
    first, second = (write_yolo(tmp_path / name, train=12, val=4) for name in ("first", "second"))
    with pytest.raises(ValueError, match="would share the file"):
        copy_dataset(first, "person", tmp_path / "dataset", more=[second])
    assert not (tmp_path / "dataset").exists()


def test_photos_that_are_cut_off_are_listed_before_anything_is_built(tmp_path):
    source = write_yolo(tmp_path / "source", train=12, val=4)
    first, second = source / "images" / "val" / "val000.png", source / "images" / "train" / "train002.png"
    first.write_bytes(first.read_bytes()[:-300])
    image = cv2.imread(str(second))
    second.unlink()
    ok, jpeg = cv2.imencode(".jpg", image)
    assert ok
    second.with_suffix(".jpg").write_bytes(jpeg.tobytes()[: len(jpeg) // 2])
    with pytest.raises(DataError) as refused:
        copy_dataset(source, "person", tmp_path / "dataset")
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert any("val000.png: " in line for line in lines)
    assert any("train002.jpg: " in line for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_scene_in_two_splits_is_refused_with_both_photos(tmp_path):
    source = write_yolo(tmp_path / "source", train=12, val=4, test=4)
    for kind, suffix in (("images", ".png"), ("labels", ".txt")):
        for split, old, digit in (("train", "train001", "0"), ("test", "test001", "a")):
            folder = source / kind / split
            (folder / f"{old}{suffix}").rename(folder / f"shot.rf.{digit * 32}{suffix}")
    with pytest.raises(DataError, match=r"scene shot: expected it in one split, found .* in test and .* in train"):
        copy_dataset(source, "person", tmp_path / "dataset")


def test_step_inside_its_own_data_is_refused(tmp_path):
    source = write_yolo(tmp_path / "source", train=12, val=4)
    with pytest.raises(DataError, match="out: expected a folder outside the data"):
        copy_dataset(source, "person", source / "job" / "dataset")
    assert not (source / "job").exists()
