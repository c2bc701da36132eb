import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.photos import DataError  # noqa: E402
from models.job import extraction  # noqa: E402
from models.job.crops import CropsOptions, cut_crops, load_crops  # noqa: E402
from models.job.dataset import copy_dataset  # noqa: E402
from models.job.extraction import ExtractionOptions, extract_instances, load_cutouts  # noqa: E402
from models.job.instances import Instances  # noqa: E402
from models.steps.step_folder import run_step  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_crops import write_persons  # noqa: E402


@pytest.fixture
def crops(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=40), "person", tmp_path / "dataset")
    cut_crops(tmp_path / "dataset", tmp_path / "crops", CropsOptions(canvas_px=48))
    return tmp_path / "crops"


@pytest.fixture
def made(crops, tmp_path, monkeypatch):
    """Three generated canvases: a bright block, nothing, a block of two pixels."""
    images = np.zeros((3, 48, 48, 3), np.uint8)
    images[0, 10:30, 12:20] = 200
    images[2, 5:7, 5:7] = 200
    run_step(tmp_path / "instances", "instances", {}, {"crops": crops}, lambda folder, scratch: {})
    given = {"images": images}
    monkeypatch.setattr(extraction, "load_instances", lambda folder: Instances(given["images"], None))
    return tmp_path / "instances", given


def test_what_stands_out_is_cut_and_what_does_not_is_counted(crops, made, tmp_path):
    done = extract_instances(crops, made[0], tmp_path / "cut", ExtractionOptions())
    assert done.result["generated"] == {"images": 3, "cut_out": 1, "left_out": {"blank": 1, "too_small": 1}}
    found = load_cutouts(tmp_path / "cut", "generated")
    assert found.number.tolist() == [0]
    assert found.box_xyxy.tolist() == [[12, 10, 20, 30]]
    assert found.cut(0).shape == (20, 8, 4)
    assert (found.cut(0) == [200, 200, 200, 255]).all()
    assert found.rgba[0].any(axis=-1).sum() == 160


def test_real_crops_are_cut_the_same_way(crops, made, tmp_path):
    extract_instances(crops, made[0], tmp_path / "cut", ExtractionOptions(mode="box"))
    found, whole = load_cutouts(tmp_path / "cut", "real"), load_crops(crops)
    assert len(found.number) == len(whole.canvases["train"])
    assert (found.box_xyxy == whole.content_xyxy["train"][found.number]).all()


def test_alpha_is_taken_from_images_that_have_it(made, tmp_path):
    root, given = tmp_path / "outlined", made[1]
    copy_dataset(write_persons(root / "source"), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=48, alpha="outline"))
    folder = root / "instances"
    run_step(folder, "instances", {}, {"crops": root / "crops"}, lambda step, scratch: {})
    given["images"] = np.concatenate([given["images"], given["images"][..., :1] // 2 + 100], axis=-1)
    given["images"][..., 3] *= given["images"][..., 0] > 0
    done = extract_instances(root / "crops", folder, tmp_path / "cut", ExtractionOptions(mode="alpha"))
    assert load_cutouts(tmp_path / "cut", "generated").cut(0)[0, 0].tolist() == [200, 200, 200, 200]
    found, canvases = load_cutouts(tmp_path / "cut", "real"), load_crops(root / "crops").canvases["train"]
    assert done.result["real"] == {"images": len(canvases), "cut_out": len(canvases), "left_out": {}}
    np.testing.assert_array_equal(found.rgba, canvases)
    for index, canvas in enumerate(canvases):
        ys, xs = np.nonzero(canvas[..., 3])
        assert found.box_xyxy[index].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    extract_instances(root / "crops", folder, tmp_path / "otsu", ExtractionOptions(mode="mask"))  # colours on black
    assert load_cutouts(tmp_path / "otsu", "generated").cut(0)[0, 0].tolist() == [157, 157, 157, 255]


def test_alpha_of_images_that_have_none_is_refused_with_whose(crops, made, tmp_path):
    folder, given = made
    with pytest.raises(DataError, match=r"^mode: alpha needs images that have it, found generated ones of three"):
        extract_instances(crops, folder, tmp_path / "cut", ExtractionOptions(mode="alpha"))
    given["images"] = np.full((1, 48, 48, 4), 255, np.uint8)
    with pytest.raises(DataError, match=r"^mode: alpha needs images that have it, found real ones of three"):
        extract_instances(crops, folder, tmp_path / "cut", ExtractionOptions(mode="alpha"))
    assert not (tmp_path / "cut").exists()


def test_nothing_to_cut_out_is_refused(crops, made, tmp_path):
    folder, given = made
    given["images"] = given["images"][1:]
    with pytest.raises(DataError, match=r"none of 2 generated instances stands out: \{'blank': 1, 'too_small': 1\}"):
        extract_instances(crops, folder, tmp_path / "cut", ExtractionOptions())
    assert not (tmp_path / "cut").exists()


def test_unknown_mode_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="mode: expected one of box, mask, alpha, found 'knife'"):
        ExtractionOptions(mode="knife")


def test_instances_of_other_crops_are_refused(crops, made, tmp_path):
    other = tmp_path / "other"
    cut_crops(tmp_path / "dataset", other, CropsOptions(canvas_px=24))
    with pytest.raises(DataError, match=r"instances: made of another crops than .*other"):
        extract_instances(other, made[0], tmp_path / "cut", ExtractionOptions())
