import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.convert import convert_folder  # noqa: E402
from models.data.formats import find_format  # noqa: E402
from models.data.photos import DataError, load_image, load_masks, load_photos  # noqa: E402
from models.job.augmented import AugmentedOptions, load_augmented, paste_instances  # noqa: E402
from models.job.crops import CropsOptions, cut_crops, load_crops  # noqa: E402
from models.job.dataset import copy_dataset, load_dataset_step  # noqa: E402
from models.job.extraction import ExtractionOptions, extract_instances, load_cutouts  # noqa: E402
from models.job.placement import PlacementOptions, draw_places, load_places  # noqa: E402
from models.job.segmenter_data import (  # noqa: E402
    SegmenterDataOptions,
    load_segmenter_data,
    write_segmenter_data,
)
from models.steps.step_folder import run_step  # noqa: E402
from models.structures import rasterise_polygons  # noqa: E402
from models.training.options import build_options  # noqa: E402
from tests.models.job.damage import SIZE_HW, write_cars, write_seed  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402

COUNT = 6


def fake_instances(crops, out):
    """Generated instances: red versions of the crops, with their alpha."""

    def work(folder, _scratch):
        images = load_crops(crops).canvases["train"].copy()
        images[..., 0] = images[..., 3]
        images[..., 1:3] = 0
        np.save(folder / "images.npy", images)
        np.save(folder / "critic.npy", np.zeros(len(images), np.float32))
        return {}

    run_step(out, "instances", {}, {"crops": crops}, work)


def paste_scratches(folder, source, arm="gan_unscreened", **placement):
    """Every step from a data folder in YOLO's layout to photos with something pasted."""
    copy_dataset(source, "scratch", folder / "dataset")
    cut_crops(folder / "dataset", folder / "crops", CropsOptions(canvas_px=32, min_side_px=4, alpha="outline"))
    fake_instances(folder / "crops", folder / "instances")
    run_step(folder / "screening", "screening", {}, {"instances": folder / "instances"}, lambda step, scratch: {})
    extract_instances(
        folder / "crops", folder / "instances", folder / "extraction", ExtractionOptions("alpha", min_side_px=2)
    )
    places = PlacementOptions(**{"count": COUNT, "min_side_px": 4, "onto": "without", **placement})
    draw_places(folder / "dataset", folder / "placement", places)
    names = ("dataset", "placement", "extraction", "screening", "augmented")
    paste_instances(*(folder / name for name in names), AugmentedOptions(arm, COUNT, blend="feathered"))
    return folder


@pytest.fixture(scope="module")
def pasted(tmp_path_factory):
    root = tmp_path_factory.mktemp("pasted")
    convert_folder(write_seed(root / "seed"), root / "yolo", find_format("seed"), find_format("yolo"))
    return paste_scratches(root, root / "yolo")


@pytest.fixture(scope="module")
def on_cars(tmp_path_factory):
    root = tmp_path_factory.mktemp("on_cars")
    return paste_scratches(root, write_cars(root / "yolo", panelled=False), within="car", onto="any", seed=1)


def write(folder, out, photos="pasted"):
    return write_segmenter_data(folder / "dataset", folder / "augmented", out, SegmenterDataOptions(photos))


def test_conversion_keeps_undamaged_photos_with_empty_labels(pasted):
    records = json.loads((pasted / "seed" / "annotations.json").read_text())
    for record in records:
        text = (pasted / "yolo" / "labels" / record["split"] / record["image_id"]).with_suffix(".txt").read_text()
        assert len(text.splitlines()) == len(record["regions"]) == record["damage_level"]
    assert sum(not record["damage_level"] for record in records) == 12


def test_masks_of_pasted_photos_are_the_pasted_cut_outs(pasted, tmp_path):
    done = write(pasted, tmp_path / "data")
    assert done.result["pasted"] == done.result["photos"] == COUNT
    photos, places = load_photos([tmp_path / "data"]), load_places(pasted / "placement")
    cutouts = load_cutouts(pasted / "extraction", "generated")
    sources = {photo.image_id: photo for photo in load_dataset_step(pasted / "dataset").choose("train")}
    kernel = np.ones((3, 3), np.uint8)
    for photo, place, record in zip(photos, places, load_augmented(pasted / "augmented"), strict=True):
        mask = load_masks(photo)
        assert not mask[1:].any()
        assert mask[0].sum() == record["area_px2"] > 10
        x0, y0, x1, y1 = place.box_xyxy_photo
        alpha = cutouts.cut(int(np.flatnonzero(cutouts.number == record["instance"])[0]))[..., 3].astype(np.float32)
        expected = np.zeros(SIZE_HW, np.uint8)
        expected[y0:y1, x0:x1] = cv2.resize(alpha, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) >= 127.5
        assert (mask[0] <= cv2.dilate(expected, kernel)).all()
        assert (mask[0] >= cv2.erode(expected, kernel)).all()
        change = load_image(photo.path).astype(int) - load_image(sources[record["source"]].path)
        redder = change[..., 0] - change[..., 1]
        assert redder[mask[0]].mean() > 60
        far = cv2.dilate(mask[0].astype(np.uint8), np.ones((33, 33), np.uint8)) == 0  # beyond blocks of the JPEG
        assert np.abs(redder[far]).mean() < 10


def test_pasted_photos_stay_in_train_with_their_scene(pasted, tmp_path):
    write(pasted, tmp_path / "data")
    sources = {photo.image_id: photo for photo in load_dataset_step(pasted / "dataset").choose("train")}
    for photo, record in zip(load_photos([tmp_path / "data"]), load_augmented(pasted / "augmented"), strict=True):
        assert (photo.split, photo.damage_level, photo.is_pseudo) == ("train", 1, True)
        assert photo.group == sources[record["source"]].scene
        assert (photo.height, photo.width) == SIZE_HW


def test_own_photos_of_train_and_val_come_along_where_wanted(on_cars, tmp_path):
    done = write(on_cars, tmp_path / "data", "all")
    photos = {photo.image_id: photo for photo in load_photos([tmp_path / "data"])}
    data = load_dataset_step(on_cars / "dataset")
    own = [*data.choose("train"), *data.choose("val")]
    assert len(photos) == done.result["photos"] == COUNT + len(own)
    for before in own:
        photo = photos[f"{before.split}/{before.image_id}"]
        assert photo.split == before.split
        scratches = [
            outline.tolist()
            for outline, k in zip(before.outlines_xy, before.class_ids, strict=True)
            if k == data.class_id
        ]
        assert photo.damage_level == int(bool(scratches))
        np.testing.assert_array_equal(load_masks(photo)[0], rasterise_polygons(scratches, SIZE_HW))
        assert photo.path.read_bytes() == before.path.read_bytes()
    assert {photo.split for photo in photos.values()} == {"train", "val"}


def test_car_and_older_scratches_are_told_of_pasted_photos(on_cars, tmp_path):
    write(on_cars, tmp_path / "data")
    data = load_dataset_step(on_cars / "dataset")
    sources = {photo.image_id: photo for photo in data.choose("train")}
    older = 0
    for photo, record in zip(load_photos([tmp_path / "data"]), load_augmented(on_cars / "augmented"), strict=True):
        before = sources[record["source"]]
        car = before.boxes_xyxy[before.class_ids == data.class_names.index("car")][0]
        np.testing.assert_allclose(photo.car_box_xyxy, car, atol=1e-6)
        old = [outline.tolist() for outline in before.outlines_xy if outline is not None]
        new = rasterise_polygons(record["outlines_xy_photo"], SIZE_HW)
        np.testing.assert_array_equal(load_masks(photo)[0], rasterise_polygons(old, SIZE_HW) | new)
        older += len(old)
    assert older


def test_damage_of_which_only_the_box_is_known_is_neither_class_nor_background(pasted, tmp_path):
    source = tmp_path / "source"
    convert_folder(pasted / "yolo", source, find_format("yolo"), find_format("yolo"))
    for number in range(20, 32):  # undamaged: a dent's box in the corner
        (source / "labels" / "train" / f"{number:03d}.txt").write_text("1 0.0625 0.0625 0.125 0.125\n")
    folder = paste_scratches(tmp_path, source, max_overlap=1.0)
    done = write(folder, tmp_path / "data", "all")
    assert done.result["regions"]["dent"] == 0
    photos = load_photos([tmp_path / "data"])
    boxed = [photo for photo in photos if photo.other_polygons]
    assert len(boxed) == COUNT + 12
    for photo in boxed:
        assert photo.damage_level == 1
        ignored = rasterise_polygons(photo.other_polygons, SIZE_HW)
        corner = np.zeros(SIZE_HW, bool)
        corner[:13, :17] = True  # 12 x 16 pixels; a border is filled with its polygon
        np.testing.assert_array_equal(ignored, corner & ~load_masks(photo)[0])


def test_segmenter_trains_on_the_folder(on_cars, tmp_path):
    from models.training.segmenter import train_segmenter  # noqa: PLC0415

    write(on_cars, tmp_path / "data", "all")
    options = build_options("segmenter", "smoke", (tmp_path / "data",), tmp_path / "run", steps=1, device="cpu")
    network = train_segmenter(options)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


def test_step_is_taken_as_it_is_and_opened(pasted, tmp_path):
    done = write(pasted, tmp_path / "data")
    assert write(pasted, tmp_path / "data").was_there
    assert load_segmenter_data(tmp_path / "data").result == done.result
    with pytest.raises(DataError, match="photos: made with 'pasted', found 'all'"):
        write(pasted, tmp_path / "data", "all")


def test_class_that_is_no_damage_is_refused(pasted, tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=40), "person", tmp_path / "dataset")
    with pytest.raises(DataError, match=r"^class: expected one of scratch, dent, spacing, found 'person'$"):
        write_segmenter_data(
            tmp_path / "dataset", pasted / "augmented", tmp_path / "data", SegmenterDataOptions("pasted")
        )
    assert not (tmp_path / "data").exists()


def test_photos_with_nothing_pasted_are_refused(pasted, tmp_path):
    names = ("dataset", "placement", "extraction", "screening")
    paste_instances(*(pasted / name for name in names), tmp_path / "repeat", AugmentedOptions("repeat", 2))
    with pytest.raises(DataError, match="repeat: nothing was pasted"):
        write_segmenter_data(pasted / "dataset", tmp_path / "repeat", tmp_path / "data", SegmenterDataOptions())


def test_unknown_choice_of_photos_is_refused():
    with pytest.raises(ValueError, match=r"^photos: expected one of pasted, all, found 'some'"):
        SegmenterDataOptions("some")
