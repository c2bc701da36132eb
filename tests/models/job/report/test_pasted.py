import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the job needs vehicle-damage[train]")

from models.data.photos import write_image
from models.job.dataset import copy_dataset
from models.job.report.pasted import OTHERS_RGB, PASTED_RGB, draw_boxes, draw_pasted
from models.steps.step_folder import run_step
from tests.models.job.scenes import encode, write_yolo


def test_boxes_are_drawn_inside_their_edges_and_the_pasted_one_on_top():
    image = np.zeros((12, 20, 3), np.uint8)
    drawn = draw_boxes(image, np.array([[1, 1, 8, 8]]), np.array([5, 4, 15, 11]))
    is_pasted, is_other = ((drawn == colour).all(axis=-1) for colour in (PASTED_RGB, OTHERS_RGB))
    border = np.zeros((12, 20), bool)
    border[4:11, 5:15] = True
    border[5:10, 6:14] = False
    assert (is_pasted == border).all()
    other = np.zeros((12, 20), bool)
    other[1:8, 1:8] = True
    other[2:7, 2:7] = False
    assert (is_other == (other & ~border)).all()
    assert not image.any()


def test_labels_that_a_detector_learns_from_are_what_is_drawn(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=8, test=2), "person", tmp_path / "dataset")

    def work(folder, scratch):
        for name in ("images", "labels"):
            (folder / name / "train").mkdir(parents=True)
        write_image(folder / "images/train/gan_screened-000000.png", np.zeros((96, 128, 3), np.uint8))
        lines = (encode(0, (80, 60, 120, 80)), encode(1, (10, 10, 22, 40)), encode(1, (40, 20, 60, 60)))
        (folder / "labels/train/gan_screened-000000.txt").write_text("\n".join(lines) + "\n")
        record = {"image_id": "gan_screened-000000.png", "box_xyxy_photo": [40, 20, 60, 60]}
        index = [{**record, "instance": 7, "blend": "hard"}]
        (folder / "index.json").write_text(json.dumps(index))
        return {}

    run_step(tmp_path / "arm", "augmented", {}, {}, work)
    run_step(tmp_path / "repeat", "augmented", {}, {}, lambda folder, scratch: _write_index(folder))
    drawn = draw_pasted(tmp_path / "dataset", {"repeat": tmp_path / "repeat", "gan_screened": tmp_path / "arm"})
    assert list(drawn) == ["gan_screened"]
    (photo,) = drawn["gan_screened"]
    whole, close = photo.whole, photo.close
    assert whole.caption == "pasted 1 person; there: 1 truck, 1 person"
    is_pasted, is_other = ((whole.image == colour).all(axis=-1) for colour in (PASTED_RGB, OTHERS_RGB))
    assert is_pasted[20, 40:60].all()
    assert is_other[60, 80:120].all()
    assert is_other[10, 10:22].all()
    assert close.caption == "instance 7, hard"
    assert close.image.shape == (168, 168, 3)  # 1.8 times the longer side, a square, enlarged


def _write_index(folder):
    (folder / "index.json").write_text(json.dumps([{"image_id": "repeat-000000.jpg"}]))
    return {}
