import numpy as np
import pytest

from models.data.photos import load_image, load_photos
from models.evaluation.boxes import iou_of_largest
from models.training.teacher import YoloxTeacher
from tests.conftest import SHARED_DATA


def test_missing_teacher_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx"):
        YoloxTeacher(tmp_path / "none.onnx")


@pytest.mark.shared_data
def test_teacher_finds_most_whole_cars():
    teacher = YoloxTeacher(SHARED_DATA / "weights" / "yolox_nano.onnx")
    photos = load_photos([SHARED_DATA / "cars_undamaged"])[:20]
    overlaps = [
        iou_of_largest(teacher.predict_boxes(load_image(p.path), score_threshold=0.3)[0], p.car_box_xyxy)
        for p in photos
    ]
    assert np.mean(np.array(overlaps) >= 0.5) >= 0.6
