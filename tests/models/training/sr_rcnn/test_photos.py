import json
import shutil
from dataclasses import replace

import pytest

from models.data.photos import DataError
from models.training.sr_rcnn import photos
from models.training.sr_rcnn.photos import DetectionPhoto, load_detection_data
from tests.models.tiny_data import write_folder
from tests.models.training.sr_rcnn.tiny_coco import write_coco


def edit(folder, split, change):
    path = folder / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1))


def test_coco_folder_is_read_and_split(tmp_path):
    data = load_detection_data([write_coco(tmp_path / "coco")])
    assert data.class_names == ("scratch", "dent")  # the third category is no damage
    assert {p.image_id for p in (*data.train, *data.gate)} == {f"coco/train{n}.png" for n in range(6)}
    assert {p.image_id for p in data.judged} == {"coco/val0.png", "coco/val1.png"}
    assert len(data.gate) == 1
    assert data.judged[1].objects[0].class_id == 2
    assert data.judged[1].size_hw == (96, 128)
    told = data.describe()
    assert told["judged"] == {"photos": 2, "objects": {"scratch": 1, "dent": 1}, "objects_without_outline": 0}


def test_photos_of_test_are_judged_without_a_val_and_never_learned_from(tmp_path):
    folder = write_coco(tmp_path / "coco")
    annotations = folder / "annotations"
    shutil.copy(annotations / "instances_val.json", annotations / "instances_test.json")
    edit(folder, "test", lambda content: [row.update(file_name="test.png") for row in content["images"][:1]])
    edit(folder, "test", lambda content: (content["images"].pop(), content["annotations"].pop()))
    shutil.copy(folder / "images" / "val0.png", folder / "images" / "test.png")
    data = load_detection_data([folder])
    assert {p.image_id for p in data.judged} == {"coco/val0.png", "coco/val1.png"}
    assert "coco/test.png" not in {p.image_id for p in (*data.train, *data.gate)}
    (annotations / "instances_val.json").unlink()
    assert {p.image_id for p in load_detection_data([folder]).judged} == {"coco/test.png"}


def test_classes_are_numbered_as_asked_and_photos_without_them_are_not_learned_from(tmp_path):
    folder = write_coco(tmp_path / "coco")
    data = load_detection_data([folder], class_names=["dent"])
    assert data.class_names == ("dent",)
    assert {p.image_id for p in (*data.train, *data.gate)} == {f"coco/train{n}.png" for n in (1, 3, 5)}
    assert [len(p.objects) for p in data.judged] == [0, 1]
    assert data.digest != load_detection_data([folder]).digest


def test_an_annotation_of_several_polygons_is_one_object(tmp_path):
    folder = write_coco(tmp_path / "coco")
    digest = load_detection_data([folder]).digest
    square = [1, 1, 4, 1, 4, 4, 1, 4]
    edit(folder, "val", lambda content: content["annotations"][0]["segmentation"].append(square))
    data = load_detection_data([folder])
    (one,) = data.judged[0].objects
    assert len(one.outlines_xy) == 2
    assert one.outlines_xy[1] == ((1, 1), (4, 1), (4, 4), (1, 4))
    assert data.digest != digest


def test_boxes_without_outlines_are_objects_too(tmp_path):
    folder = write_coco(tmp_path / "coco")
    edit(folder, "val", lambda content: content["annotations"][0].update(segmentation=[]))
    data = load_detection_data([folder])
    assert data.describe()["judged"]["objects_without_outline"] == 1


def test_folders_of_several_formats_are_one(tmp_path):
    folders = [write_coco(tmp_path / "coco"), write_folder(tmp_path / "seed")]
    data = load_detection_data(folders)
    assert data.class_names == ("scratch", "dent", "spacing")
    assert {p.image_id.split("/")[0] for p in (*data.train, *data.gate)} == {"coco", "seed"}


def test_photos_of_one_scene_stay_together_without_a_split(tmp_path):
    folder = write_folder(tmp_path / "seed", split="")
    records = json.loads((folder / "annotations.json").read_text())
    for record in records[:4]:
        record["regions"] = [{"points": [[30, 40], [50, 40], [50, 50]], "class_name": 1}]
    (folder / "annotations.json").write_text(json.dumps(records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "is_held_out", lambda scene: scene == "rendered-0-0")
        records[4] |= {"damage_level": 1, "regions": records[0]["regions"]}
        (folder / "annotations.json").write_text(json.dumps(records))
        data = load_detection_data([folder])
    assert [p.image_id for p in data.judged] == ["seed/0.jpg", "seed/1.jpg"]
    for part in (data.train, data.gate):
        assert {p.scene for p in part} < {"rendered-0-1", "rendered-0-2"}
    assert not {p.scene for p in data.train} & {p.scene for p in data.gate}


def many(scenes, per_scene=3):
    photo = DetectionPhoto(None, "", "", (1, 1), ())
    return [replace(photo, image_id=f"{s}-{n}", scene=f"s{s}") for s in range(scenes) for n in range(per_scene)]


def test_sample_holds_its_share_of_whole_scenes_and_grows_with_it():
    everything = many(40)
    chosen = {share: photos._sample(everything, share, seed=5) for share in (0.1, 0.2, 1.0)}
    assert [len(own) for own in chosen.values()] == [12, 24, 120]
    assert len({p.scene for p in chosen[0.1]}) == 4
    assert {p.image_id for p in chosen[0.1]} < {p.image_id for p in chosen[0.2]}
    assert chosen[0.1] != photos._sample(everything, 0.1, seed=6)


def test_categories_that_are_not_there_are_refused_with_those_that_are(tmp_path):
    folder = write_coco(tmp_path / "coco")
    with pytest.raises(DataError, match=r"^classes: no category rust, hail; the categories are scratch, dent, car$"):
        load_detection_data([folder], class_names=["rust", "dent", "hail"])
    with pytest.raises(DataError, match=r"^classes: no object of car to learn from; .*dent \(3\), car \(0\)"):
        load_detection_data([folder], class_names=["dent", "car"])


def test_empty_annotations_are_refused(tmp_path):
    folder = write_coco(tmp_path / "coco")
    for split in ("train", "val"):
        edit(folder, split, lambda content: content.update(annotations=[]))
    with pytest.raises(DataError, match=r"^data: no annotated object in it; the classes are scratch, dent, car"):
        load_detection_data([folder])
    other = write_coco(tmp_path / "other")
    edit(other, "val", lambda content: content.update(annotations=[]))
    with pytest.raises(DataError, match=r"^data: no object to judge by in val"):
        load_detection_data([other])


def test_a_scene_is_not_learned_from_and_judged_by(tmp_path):
    folder, other = write_coco(tmp_path / "coco"), write_coco(tmp_path / "other")
    (other / "annotations" / "instances_val.json").unlink()
    edit(other, "train", lambda content: content["images"][4].update(file_name="val0.png"))
    with pytest.raises(DataError, match=r"1 scene\(s\) both to learn from and to judge by: .*val0"):
        load_detection_data([folder, other])


def test_missing_images_are_listed_up_to_a_limit_with_their_number(tmp_path):
    folder = write_coco(tmp_path / "coco", train=25)
    for number in range(3, 25):
        (folder / "images" / f"train{number}.png").unlink()
    with pytest.raises(DataError) as caught:
        load_detection_data([folder])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{folder}: 22 fault(s)"
    assert "missing image train3.png" in lines[1]
    assert "instances_train.json:" in lines[1]
    assert len(lines) == 22
    assert lines[-1] == "… and 2 more"


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no such folder: .*nowhere"):
        load_detection_data([tmp_path / "nowhere"])
