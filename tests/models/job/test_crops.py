import numpy as np
import pytest

from models.data.photos import DataError, load_image
from models.job.crops import CropsOptions, cut_crops, load_crops
from models.job.dataset import copy_dataset, load_dataset_step
from tests.models.job.scenes import write_yolo


@pytest.fixture
def dataset(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=30), "person", tmp_path / "dataset")
    return tmp_path / "dataset"


def test_every_person_of_train_and_val_becomes_a_canvas(dataset, tmp_path):
    done = cut_crops(dataset, tmp_path / "crops", CropsOptions(canvas_px=32))
    crops, data = load_crops(tmp_path / "crops"), load_dataset_step(dataset)
    for split in ("train", "val"):
        expected = sum(int((p.class_ids == data.class_id).sum()) for p in data.choose(split))
        assert crops.canvases[split].shape == (expected, 32, 32, 3)
        assert done.result["crops"][split] == len(crops.records[split]) == expected
    record, canvas = crops.records["train"][0], crops.canvases["train"][0]
    source = next(p for p in data.choose("train") if p.image_id == record["image_id"])
    x0, y0, x1, y1 = np.rint(record["box_xyxy_photo"]).astype(int)
    left, top, right, bottom = crops.content_xyxy["train"][0]
    assert (canvas[top:bottom, left:right] == load_image(source.path)[y0:y1, x0:x1]).all()
    assert canvas.sum() == canvas[top:bottom, left:right].sum()


def test_boxes_that_lie_are_left_out_if_told_to(dataset, tmp_path):
    with pytest.raises(DataError, match=r"expected at least 16 usable instances of 'person' .*found 0 in train"):
        cut_crops(dataset, tmp_path / "crops", CropsOptions(canvas_px=32, min_aspect=3))
    assert not (tmp_path / "crops").exists()
    upright = cut_crops(dataset, tmp_path / "upright", CropsOptions(canvas_px=32, min_aspect=2))
    assert upright.result["crops"]["train"] > 16


def test_step_is_taken_as_it_is_the_second_time(dataset, tmp_path):
    options = CropsOptions(canvas_px=32)
    first = cut_crops(dataset, tmp_path / "crops", options)
    assert cut_crops(dataset, tmp_path / "crops", options).digest == first.digest
    with pytest.raises(DataError, match="options: canvas_px: made with 32, found 64"):
        cut_crops(dataset, tmp_path / "crops", CropsOptions(canvas_px=64))
