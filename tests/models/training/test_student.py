import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.data.car_boxes import CarBoxes  # noqa: E402
from models.data.photos import DataError, load_photos  # noqa: E402
from models.segmenter.predictor import Segmenter  # noqa: E402
from models.structures import DAMAGE_CLASSES, rasterise_polygons  # noqa: E402
from models.training import gate  # noqa: E402
from models.training.errors import TrainingError  # noqa: E402
from models.training.options import build_options, load_options  # noqa: E402
from models.training.segmenter import train_segmenter  # noqa: E402
from models.training.student import (  # noqa: E402
    choose_unlabelled,
    load_teacher,
    train_student,
    write_pseudo_labels,
)
from tests.models.tiny_data import SIZE_HW, write_folder  # noqa: E402
from tests.models.tiny_networks import build_card, identity_segmenter  # noqa: E402


class RedTeacher(Segmenter):
    """Takes the channels of a picture for its probs; remembers what it was shown."""

    def __init__(self):
        super().__init__(identity_segmenter((128, 128)), build_card("segmenter", (128, 128), DAMAGE_CLASSES))
        self.seen_hw = []

    def predict_probs(self, crops):
        self.seen_hw += [crop.shape[:2] for crop in crops]
        return super().predict_probs(crops)


def write_image_level(root):
    """Photos only known to be damaged: 0 and 1 show a strong square of "dent" in a ring of doubt, 3 is for val."""
    folder = root / "level"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(7)
    records = []
    for number in range(4):
        image = np.zeros((128, 128, 3), np.uint8)
        image[100:, :40, 2] = 20 * number
        if number < 2:
            image[20:60, 30:90, 1] = 128  # G is the second class; half sure
            image[30:50, 40:80, 1] = 255
        if number == 3:
            image = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (128, 128))
        assert cv2.imwrite(str(folder / "images" / f"{number}.png"), image[..., ::-1])
        record = {"image_id": f"{number}.png", "damage_level": 1, "regions": [], "width": 128, "height": 128}
        records.append({**record, "split": "val" if number == 3 else "train"})
    (folder / "annotations.json").write_text(json.dumps(records))
    return folder


def test_sure_pixels_become_regions_and_doubtful_ones_no_lesson(tmp_path):
    photos = load_photos([write_image_level(tmp_path)])[:3]
    count = write_pseudo_labels(RedTeacher(), photos, {}, tmp_path / "pseudo")
    assert count == 2
    records = json.loads((tmp_path / "pseudo" / "annotations.json").read_text())
    assert [r["image_id"] for r in records] == ["level-0.png", "level-1.png"]
    assert all(r["pseudo"] is True and r["split"] == "train" and r["damage_level"] == 1 for r in records)
    sure, doubtful = np.zeros((128, 128), bool), np.zeros((128, 128), bool)
    sure[30:50, 40:80] = True
    doubtful[20:60, 30:90] = True
    doubtful &= ~sure
    assert {r["class_name"] for r in records[0]["regions"]} == {2}
    assert (rasterise_polygons([r["points"] for r in records[0]["regions"]], (128, 128)) == sure).all()
    assert (rasterise_polygons([r["points"] for r in records[0]["other_regions"]], (128, 128)) == doubtful).all()
    assert (tmp_path / "pseudo" / "images" / "level-0.png").stat().st_ino == photos[0].path.stat().st_ino
    assert (tmp_path / "pseudo" / "manifest.json").exists()
    assert load_photos([tmp_path / "pseudo"])[0].has_regions


def test_teacher_sees_the_car_and_the_rest_is_unknown(tmp_path):
    photos = load_photos([write_image_level(tmp_path)])[:1]
    cars = {photos[0].path: CarBoxes(np.array([[20.0, 10.0, 100.0, 70.0]]), True)}
    teacher = RedTeacher()
    write_pseudo_labels(teacher, photos, cars, tmp_path / "pseudo")
    assert teacher.seen_hw == [(66, 88)]  # 5 % wider on each side
    record = json.loads((tmp_path / "pseudo" / "annotations.json").read_text())[0]
    unknown = rasterise_polygons([r["points"] for r in record["other_regions"]], (128, 128))
    assert unknown[74:].all()
    assert unknown[:, :15].all()
    assert not unknown[30:50, 42:78].any()
    sure = rasterise_polygons([r["points"] for r in record["regions"]], (128, 128))
    assert sure[32:48, 42:78].all()
    assert not sure[:28].any()


@pytest.fixture
def whole_photos(monkeypatch):
    monkeypatch.setattr(gate, "SCALE_LOGS", (0.0, 0.0))


def sample_cells(photo):
    """The label and the cells of 16 px of a whole photo, as the gate learns them."""
    options = build_options("gate", "smoke", (), Path("unused"), input_px=512)
    samples = (gate._make_sample(photo, None, options, np.random.default_rng(seed)) for seed in range(8))
    return [(label, cells) for _, label, cells in filter(None, samples)]


def test_gate_learns_nothing_of_what_a_teacher_doubts(tmp_path, whole_photos):
    photos = load_photos([write_image_level(tmp_path)])
    write_pseudo_labels(RedTeacher(), photos, {}, tmp_path / "pseudo")
    photo = load_photos([tmp_path / "pseudo"])[0]
    for label, cells in sample_cells(photo):
        assert label == 1
        assert (cells == 1).any()
        assert np.isnan(cells).any()
    by_people = replace(photo, is_pseudo=False)  # other_regions are then damage of no class of ours
    for label, cells in sample_cells(by_people):
        assert label == 1
        assert (cells == 1).sum() > 2 * np.isnan(cells).sum()


def test_gate_leaves_out_a_window_that_shows_doubt_alone(tmp_path, whole_photos):
    photos = load_photos([write_image_level(tmp_path)])
    write_pseudo_labels(RedTeacher(), photos, {}, tmp_path / "pseudo")
    doubtful = replace(load_photos([tmp_path / "pseudo"])[0], polygons=())
    assert sample_cells(doubtful) == []
    assert {label for label, _ in sample_cells(replace(doubtful, is_pseudo=False))} == {1}


def test_small_sure_patches_are_doubtful(tmp_path):
    photos = load_photos([write_image_level(tmp_path)])[:3]
    with pytest.raises(DataError, match="sure of no damage on any of 3 photos"):
        write_pseudo_labels(RedTeacher(), photos, {}, tmp_path / "pseudo", min_area_px2=801)
    assert not (tmp_path / "pseudo").exists()


def test_copies_of_val_photos_are_not_labelled(tmp_path):
    level = write_image_level(tmp_path)
    assert {photo.image_id for photo in choose_unlabelled(load_photos([level]))} == {"0.png", "1.png", "2.png"}
    val = cv2.imread(str(level / "images" / "3.png"))
    cv2.imwrite(str(level / "images" / "1.png"), np.ascontiguousarray(val[:, ::-1]))  # mirrored
    assert {photo.image_id for photo in choose_unlabelled(load_photos([level]))} == {"0.png", "2.png"}


def test_nothing_to_label_is_refused(tmp_path):
    photos = load_photos([write_folder(tmp_path / "d")])
    with pytest.raises(DataError, match="no regions"):
        choose_unlabelled(photos)


def test_students_train_on_both_and_teach_the_next_round(tmp_path, monkeypatch):
    data = (write_folder(tmp_path / "rendered"), write_image_level(tmp_path))
    monkeypatch.setattr("models.training.student.load_teacher", lambda run: (load_teacher(run), RedTeacher())[1])
    train_segmenter(build_options("segmenter", "smoke", data, tmp_path / "first", steps=1, device="cpu"))
    options = build_options("segmenter", "smoke", data, tmp_path / "students", steps=1, device="cpu")
    last = train_student(options, teacher_run=tmp_path / "first", rounds=2)
    assert last == tmp_path / "students" / "round_2" / "run"
    recorded = load_options(last)
    assert recorded.teacher_run == tmp_path / "students" / "round_1" / "run"
    assert recorded.data == (*data, tmp_path / "students" / "round_2" / "pseudo")
    assert recorded.noise == 1.0
    before = (last / "checkpoint.pt").read_bytes()
    assert train_student(options, teacher_run=tmp_path / "first", rounds=2, resume=True) == last
    assert (last / "checkpoint.pt").read_bytes() == before


def test_gate_learns_from_a_segmenter(tmp_path, monkeypatch):
    data = (write_folder(tmp_path / "rendered"), write_image_level(tmp_path))
    monkeypatch.setattr("models.training.student.load_teacher", lambda run: RedTeacher())
    options = build_options("gate", "smoke", data, tmp_path / "students", steps=1, device="cpu")
    run_dir = train_student(options, teacher_run=tmp_path / "any")
    assert load_options(run_dir).network == "gate"
    assert (run_dir / "checkpoint.pt").exists()


def test_trained_run_is_loaded_as_serving_sees_it(tmp_path):
    data = (write_folder(tmp_path / "rendered"),)
    train_segmenter(build_options("segmenter", "smoke", data, tmp_path / "run", steps=1, device="cpu"))
    probs = load_teacher(tmp_path / "run").predict_probs([np.full((*SIZE_HW, 3), 90, np.uint8)])[0]
    assert probs.shape == (3, *SIZE_HW)
    assert 0 < probs.max() < 1


def test_gate_cannot_teach(tmp_path):
    data = (write_folder(tmp_path / "rendered"),)
    gate.train_gate(build_options("gate", "smoke", data, tmp_path / "run", steps=1, device="cpu"))
    with pytest.raises(TrainingError, match="teacher_run: expected a segmenter's run, found a gate's"):
        load_teacher(tmp_path / "run")
    options = build_options("gate", "smoke", data, tmp_path / "students", device="cpu")
    with pytest.raises(TrainingError, match="rounds: expected 1 for a gate"):
        train_student(options, teacher_run=tmp_path / "run", rounds=2)
