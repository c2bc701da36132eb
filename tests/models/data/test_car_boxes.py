import numpy as np

from models.data.car_boxes import label_cars
from models.data.photos import load_photos
from tests.models.tiny_data import write_folder


def photos_without_boxes(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d", rendered=False)])
    return [type(p)(**{**vars(p), "car_box_xyxy": None}) for p in photos]


def test_annotated_box_wins_over_the_teacher(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d")])
    cars = label_cars(photos, None, tmp_path / "cache.json")
    assert cars[photos[0].path].boxes_xyxy.tolist() == [[20, 30, 110, 80]]


def test_teachers_doubt_makes_a_photo_no_lesson(tmp_path):
    photos = photos_without_boxes(tmp_path)
    answers = iter([[0.9], [0.9, 0.3], [], [0.6], [0.2], [0.7]])

    def predict(image):
        scores = next(answers)
        return np.tile([1.0, 2.0, 3.0, 4.0], (len(scores), 1)), np.array(scores)

    cars = label_cars(photos, predict, tmp_path / "cache.json")
    assert [cars[p.path].is_certain for p in photos] == [True, False, True, True, False, True]
    assert [len(cars[p.path].boxes_xyxy) for p in photos] == [1, 1, 0, 1, 0, 1]


def test_teacher_looks_at_each_photo_once(tmp_path):
    photos = photos_without_boxes(tmp_path)
    first = label_cars(photos, lambda _: (np.array([[1.0, 2, 3, 4]]), np.array([0.9])), tmp_path / "cache.json")
    second = label_cars(photos, None, tmp_path / "cache.json")
    assert all((first[p.path].boxes_xyxy == second[p.path].boxes_xyxy).all() for p in photos)
