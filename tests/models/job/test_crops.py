import cv2
import numpy as np
import pytest

from models.data.photos import DataError, load_image
from models.job.crops import CropsOptions, cut_crops, load_crops
from models.job.dataset import copy_dataset, load_dataset_step
from tests.models.job.scenes import SIZE_HW, encode, write_yolo

ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)


def write_persons(root, *, train=24, val=8, outlined=True, plain=(), seed=4):
    """Photos with one ellipse each, outlined or boxed; in photos whose number is in plain, a bar that fills its box."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val), ("test", 3)):
        for name in ("images", "labels"):
            (root / name / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            image = rng.integers(90, 110, (*SIZE_HW, 3), np.uint8)
            x, y = (int(value) for value in rng.integers(20, 50, 2))
            box = x, y, x + 20, y + 38
            if number in plain:
                image[y : y + 38, x : x + 20] = [220, 60, 40]
            else:
                image[find_ellipse(box)] = rng.integers(180, 255, 3)
            text = encode(1, box)
            if outlined and number not in plain:
                points = np.c_[x + 10 + 10 * np.cos(ANGLES), y + 19 + 19 * np.sin(ANGLES)] / SIZE_HW[::-1]
                text = "1 " + " ".join(f"{value:.9f}" for value in points.ravel())
                if number % 3 == 0:  # a truck stands first
                    text = f"0 0.7 0.7 0.9 0.7 0.9 0.9 0.7 0.9\n{text}"
            (root / "labels" / split / f"{split}{number:03d}.txt").write_text(f"{text}\n")
            assert cv2.imwrite(str(root / "images" / split / f"{split}{number:03d}.png"), image)
    (root / "data.yaml").write_text("path: .\nnames: [truck, person]\n")
    return root


def find_ellipse(box_xyxy):
    """Pixels of a photo whose centres lie in the ellipse that fills a box."""
    x0, y0, x1, y1 = box_xyxy
    ys, xs = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    return ((2 * xs - x0 - x1) / (x1 - x0)) ** 2 + ((2 * ys - y0 - y1) / (y1 - y0)) ** 2 <= 1


def cut_persons(folder, alpha, **photos):
    """The step on such photos; what it told, what it left, and the photos."""
    copy_dataset(write_persons(folder / "source", **photos), "person", folder / "dataset")
    done = cut_crops(folder / "dataset", folder / "crops", CropsOptions(canvas_px=48, alpha=alpha))
    return done.result, load_crops(folder / "crops"), load_dataset_step(folder / "dataset")


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


@pytest.mark.parametrize(("alpha", "outlined", "least_iou"), [("outline", True, 0.93), ("grabcut", False, 0.9)])
def test_alpha_is_the_person(tmp_path, alpha, outlined, least_iou):
    told, crops, data = cut_persons(tmp_path, alpha, outlined=outlined)
    assert told["crops"] == {"train": 24, "val": 8}
    assert not any(told["left_out"].values())
    paths = {photo.image_id: photo.path for photo in data.photos}
    for split in ("train", "val"):
        assert crops.canvases[split].shape[1:] == (48, 48, 4)
        for canvas, record, content in zip(
            crops.canvases[split], crops.records[split], crops.content_xyxy[split], strict=True
        ):
            x0, y0, x1, y1 = np.rint(record["box_xyxy_photo"]).astype(int)
            left, top, right, bottom = content
            assert (right - left, bottom - top, record["scale"]) == (x1 - x0, y1 - y0, 1.0)
            shown = canvas[top:bottom, left:right]
            opaque = shown[..., 3] == 255
            assert set(np.unique(canvas[..., 3])) <= {0, 255}
            truth = find_ellipse((x0, y0, x1, y1))[y0:y1, x0:x1]
            assert (opaque & truth).sum() / (opaque | truth).sum() > least_iou
            expected = load_image(paths[record["image_id"]])[y0:y1, x0:x1] * opaque[..., None]
            np.testing.assert_array_equal(shown[..., :3], expected)
            assert (canvas[..., 3] > 0).sum() == opaque.sum()
    sheet = cv2.imread(str(tmp_path / "crops" / "sheet.png"))
    assert sheet.shape == (96, 768, 3)


def test_outlines_are_not_looked_at_where_no_alpha_is_wanted(tmp_path):
    told, crops, _ = cut_persons(tmp_path, "none")
    assert crops.canvases["train"].shape == (24, 48, 48, 3)
    assert not any(told["left_out"].values())
    left, top, right, bottom = crops.content_xyxy["train"][0]
    assert crops.canvases["train"][0, top:bottom, left:right].min() >= 90  # the ground is there too


@pytest.mark.parametrize(
    ("alpha", "outlined", "reason"),
    [("outline", True, "has no outline"), ("grabcut", False, "fills its whole box")],
)
def test_what_is_left_out_is_counted_with_its_reason(tmp_path, alpha, outlined, reason):
    told, crops, _ = cut_persons(tmp_path, alpha, outlined=outlined, plain=(1, 2, 5))
    assert told["crops"] == {"train": 21, "val": 5}
    assert {name: count for name, count in told["left_out"].items() if count} == {reason: 6}
    kept = {record["image_id"] for record in crops.records["train"]}
    assert kept == {f"train{number:03d}.png" for number in range(24) if number not in (1, 2, 5)}


def test_too_few_crops_are_told_with_what_was_left_out(tmp_path):
    with pytest.raises(DataError, match=r"at least 16 .* found 14 in train; left out: 10 fills its whole box$"):
        cut_persons(tmp_path / "train", "grabcut", outlined=False, plain=range(10))
    assert not (tmp_path / "train" / "crops").exists()
    with pytest.raises(DataError, match=r"one in val, found 0 in val; left out: 2 has no outline$"):
        cut_persons(tmp_path / "val", "outline", val=2, plain=range(2))  # and two of train, which are not val's
    with pytest.raises(DataError, match=r"found 0 in train; left out: 24 small or beyond the frame$"):
        cut_crops(tmp_path / "train" / "dataset", tmp_path / "small", CropsOptions(canvas_px=48, min_side_px=30))


def test_outline_shrinks_with_its_crop(tmp_path):
    copy_dataset(write_persons(tmp_path / "source"), "person", tmp_path / "dataset")
    cut_crops(tmp_path / "dataset", tmp_path / "crops", CropsOptions(canvas_px=19, alpha="outline"))
    cut_crops(tmp_path / "dataset", tmp_path / "whole", CropsOptions(canvas_px=38, alpha="outline"))
    canvas, whole = (load_crops(tmp_path / name).canvases["train"][0] for name in ("crops", "whole"))
    assert canvas.shape == (19, 19, 4)
    by_fours = whole[:, 9:29, 3].reshape(19, 2, 10, 2).mean(axis=(1, 3))
    assert np.abs(canvas[:, 4:14, 3] - by_fours).max() <= 0.5
    assert len(np.unique(canvas[..., 3])) > 2  # a soft edge
    assert canvas[canvas[..., 3] > 0][:, :3].min() >= 88  # as dark as the ground, but the black canvas shows nowhere


def test_unknown_alpha_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"^alpha: expected one of none, outline, grabcut, found 'guess'"):
        CropsOptions(canvas_px=32, alpha="guess")
