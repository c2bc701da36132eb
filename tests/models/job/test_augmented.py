import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.formats import find_format, load_dataset  # noqa: E402
from models.data.photos import DataError, load_image  # noqa: E402
from models.evaluation.proof.arms import ARMS, BASELINE  # noqa: E402
from models.job import augmented  # noqa: E402
from models.job.augmented import AugmentedOptions, load_augmented, paste_instances  # noqa: E402
from models.job.dataset import copy_dataset, load_dataset_step  # noqa: E402
from models.job.extraction import Cutouts  # noqa: E402
from models.job.placement import PlacementOptions, draw_places, load_places  # noqa: E402
from models.steps.step_folder import run_step  # noqa: E402
from models.structures import rasterise_polygons  # noqa: E402
from tests.models.job.damage import write_cars  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402

PASTING = tuple(arm for arm in ARMS if arm not in (BASELINE, "repeat"))


def blocks(colour):
    """Twelve cut-outs of one colour, 20 px high and 4 to 15 px wide."""
    rgba, boxes = np.zeros((12, 32, 32, 4), np.uint8), []
    for number in range(12):
        width = 4 + number
        rgba[number, 2:22, 3 : 3 + width] = (*colour, 255)
        boxes.append([3, 2, 3 + width, 22])
    return Cutouts(rgba, np.array(boxes, np.int64), np.arange(12))


@pytest.fixture
def folders(tmp_path, monkeypatch):
    copy_dataset(write_yolo(tmp_path / "source", train=40), "person", tmp_path / "dataset")
    draw_places(tmp_path / "dataset", tmp_path / "placement", PlacementOptions(count=20))
    for name in ("extraction", "screening"):
        run_step(tmp_path / name, name, {"mode": "alpha"}, {}, lambda folder, scratch: {})
    made = {"generated": blocks((255, 0, 0)), "real": blocks((0, 255, 0))}
    monkeypatch.setattr(augmented, "load_cutouts", lambda folder, source: made[source])
    monkeypatch.setattr(augmented, "load_kept", lambda folder: np.array([1, 5, 7]))
    return tmp_path


def run(folders, arm, **options):
    names = ("dataset", "placement", "extraction", "screening")
    out = folders / f"{arm}-{options.get('count', 20)}"
    return paste_instances(*(folders / name for name in names), out, AugmentedOptions(arm, **{"count": 20, **options}))


@pytest.mark.parametrize("arm", PASTING)
def test_every_place_gets_an_instance_and_its_label(arm, folders):
    done = run(folders, arm)
    places, index = load_places(folders / "placement"), load_augmented(done.folder)
    originals = {photo.image_id: photo for photo in load_dataset_step(folders / "dataset").choose("train")}
    assert [record["source"] for record in index] == [place.image_id for place in places]
    channel = 1 if arm == "real_crop_paste" else 0
    for place, record in zip(places, index, strict=True):
        x0, y0, x1, y1 = place.box_xyxy_photo
        image = load_image(done.folder / "images" / "train" / record["image_id"]).astype(int)
        inside = image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2].mean(axis=(0, 1))
        assert inside[channel] > 200
        assert inside[channel] - np.delete(inside, channel).max() > 120
        assert record["box_xyxy_photo"] == [x0, y0, x1, y1]
        before = load_image(originals[record["source"]].path).astype(int)
        far = np.ones(image.shape[:2], bool)
        far[max(y0 - 20, 0) : y1 + 20, max(x0 - 20, 0) : x1 + 20] = False  # JPEG's blocks reach a little further
        assert np.abs(image - before)[far].mean() < 8


def test_labels_are_a_dataset_that_reads(folders):
    done = run(folders, "gan_screened")
    (done.folder / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [truck, person]\n")
    read, _ = load_dataset(done.folder, find_format("yolo"))
    originals = {photo.image_id: photo for photo in load_dataset_step(folders / "dataset").choose("train")}
    for photo, record in zip(read.photos, load_augmented(done.folder), strict=True):
        assert len(photo.boxes) == len(originals[record["source"]].class_ids) + 1 - record["hidden"]
        assert photo.boxes[-1].label == "person"
        np.testing.assert_allclose(photo.boxes[-1].box_xyxy, record["box_xyxy_photo"], atol=0.01)


@pytest.mark.parametrize("arm", PASTING)
def test_outlines_of_the_paste_give_its_pixels(arm, folders):
    done = run(folders, arm)
    for record in load_augmented(done.folder):
        x0, y0, x1, y1 = record["box_xyxy_photo"]
        assert record["outlines_xy_photo"] == [[[x0, y0], [x0, y1 - 1], [x1 - 1, y1 - 1], [x1 - 1, y0]]]
        assert record["area_px2"] == (x1 - x0) * (y1 - y0)
        assert record["change"] > 60  # red or green on grey


def test_what_was_there_before_is_noted_as_far_as_it_shows(folders):
    originals = {photo.image_id: photo for photo in load_dataset_step(folders / "dataset").choose("train")}
    for record in load_augmented(run(folders, "gan_screened", max_covered_share=0.0).folder):
        before = originals[record["source"]]
        assert len(record["objects"]) == len(before.class_ids) - record["hidden"]
        assert all(one["outlines_xy_photo"] == [] and one["is_labelled"] for one in record["objects"])
    for record in load_augmented(run(folders, "repeat").folder):
        before = originals[record["source"]]
        assert [one["class_id"] for one in record["objects"]] == before.class_ids.tolist()
        assert [one["box_xyxy_photo"] for one in record["objects"]] == before.boxes_xyxy.tolist()
        assert not {"outlines_xy_photo", "area_px2"} & record.keys()


def test_outlines_are_cut_back_to_what_shows(tmp_path, monkeypatch):
    copy_dataset(write_cars(tmp_path / "source"), "scratch", tmp_path / "dataset")
    draw_places(tmp_path / "dataset", tmp_path / "placement", PlacementOptions(count=20, min_side_px=3, max_overlap=1))
    for name in ("extraction", "screening"):
        run_step(tmp_path / name, name, {"mode": "alpha"}, {}, lambda folder, scratch: {})
    monkeypatch.setattr(augmented, "load_cutouts", lambda folder, source: blocks((0, 255, 0)))
    data = load_dataset_step(tmp_path / "dataset")
    originals = {photo.image_id: photo for photo in data.choose("train")}
    cut = 0
    for record in load_augmented(run(tmp_path, "real_crop_paste").folder):
        before = originals[record["source"]]
        pasted = rasterise_polygons(record["outlines_xy_photo"], before.size_hw)
        for class_id in set(before.class_ids.tolist()):
            own = [o for o, k in zip(before.outlines_xy, before.class_ids, strict=True) if k == class_id]
            if own[0] is None:  # a car
                continue
            whole = rasterise_polygons([outline.tolist() for outline in own], before.size_hw)
            left = rasterise_polygons(
                [o for one in record["objects"] if one["class_id"] == class_id for o in one["outlines_xy_photo"]],
                before.size_hw,
            )
            np.testing.assert_array_equal(left, whole & ~pasted)
            cut += (whole & pasted).any()
    assert cut > 3


def test_paste_that_does_not_show_gives_way_to_one_that_does(folders, monkeypatch):
    """Of the cut-outs one in two has the photo's own grey."""
    cutouts = blocks((255, 0, 0))
    cutouts.rgba[::2, ..., :3] = 110
    monkeypatch.setattr(augmented, "load_cutouts", lambda folder, source: cutouts)
    shown = {
        least: load_augmented(run(folders, "real_crop_paste", count=count, min_change=least).folder)
        for least, count in ((0.0, 20), (50.0, 19), (500.0, 18))
    }
    assert any(record["instance"] % 2 == 0 for record in shown[0.0])
    assert all(record["change"] > 50 for record in shown[50.0])
    assert any(record["change"] < 50 for record in shown[0.0])
    for first, asked, most in zip(shown[0.0], shown[50.0], shown[500.0], strict=False):
        if first["change"] > 50:
            assert asked == first
        assert most["change"] >= asked["change"]


def test_screened_arms_paste_only_what_was_kept(folders):
    numbers = {arm: {r["instance"] for r in load_augmented(run(folders, arm).folder)} for arm in PASTING}
    assert numbers["gan_screened"] <= {1, 5, 7}
    assert numbers["rgba_blend"] <= {1, 5, 7}
    assert len(numbers["gan_unscreened"]) > 3
    assert len(numbers["real_crop_paste"]) > 3


def test_repeat_arm_shows_the_same_photos_with_nothing_pasted(folders):
    done = run(folders, "repeat")
    originals = {photo.image_id: photo for photo in load_dataset_step(folders / "dataset").choose("train")}
    for record in load_augmented(done.folder):
        image = load_image(done.folder / "images" / "train" / record["image_id"]).astype(int)
        original = originals[record["source"]]
        assert np.abs(image - load_image(original.path)).mean() < 8
        labels = (done.folder / "labels" / "train" / record["image_id"]).with_suffix(".txt").read_text()
        assert len(labels.splitlines()) == len(original.class_ids)


def test_smaller_count_is_the_beginning_of_a_larger_one(folders):
    few, many = run(folders, "gan_screened", count=6), run(folders, "gan_screened")
    assert load_augmented(few.folder) == load_augmented(many.folder)[:6]
    name = load_augmented(few.folder)[5]["image_id"]
    parts = [(done.folder / "images" / "train" / name).read_bytes() for done in (few, many)]
    assert parts[0] == parts[1]


def test_hidden_boxes_lose_their_labels(folders):
    done = run(folders, "gan_screened", max_covered_share=0.0)
    places = load_places(folders / "placement")
    originals = {photo.image_id: photo for photo in load_dataset_step(folders / "dataset").choose("train")}
    for place, record in zip(places, load_augmented(done.folder), strict=True):
        x0, y0, x1, y1 = place.box_xyxy_photo
        a, b, c, d = originals[record["source"]].boxes_xyxy.round().T
        assert record["hidden"] == int(((a < x1) & (b < y1) & (c > x0) & (d > y0)).sum())
    assert done.result["boxes_hidden"] == sum(r["hidden"] for r in json.loads((done.folder / "index.json").read_text()))


def test_more_photos_than_places_are_refused(folders):
    with pytest.raises(DataError, match="count: expected at most the 20 places that were drawn, found 21"):
        run(folders, "repeat", count=21)


def test_screen_that_kept_nothing_usable_is_refused(folders, monkeypatch):
    monkeypatch.setattr(augmented, "load_kept", lambda folder: np.array([99]))
    with pytest.raises(DataError, match="rgba_blend: no cut-out is left to paste"):
        run(folders, "rgba_blend")


def test_cutouts_that_vanish_are_refused(folders, monkeypatch):
    faint = blocks((9, 9, 9))
    faint.rgba[..., 3] //= 3
    monkeypatch.setattr(augmented, "load_cutouts", lambda folder, source: faint)
    with pytest.raises(DataError, match="8 cut-outs in a row vanish"):
        run(folders, "gan_unscreened")


@pytest.mark.parametrize(
    ("name", "value"), [("arm", "baseline"), ("count", 0), ("blend", "glue"), ("match_strength", 2), ("min_change", -1)]
)
def test_option_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected .*found {value!r}"):
        AugmentedOptions(**{"arm": "repeat", "count": 1, name: value})


def test_photos_are_written_as_jpeg(folders):
    done = run(folders, "repeat", count=1)
    body = (done.folder / "images" / "train" / "repeat-000000.jpg").read_bytes()
    assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape == (96, 128, 3)
    assert body[:2] == b"\xff\xd8"


def test_steps_that_do_not_belong_together_are_refused(folders):
    run_step(folders / "otsu", "extraction", {"mode": "mask"}, {}, lambda folder, scratch: {})
    names = ("dataset", "placement", "otsu", "screening")
    with pytest.raises(DataError, match=r"rgba_blend: expected cut-outs by their alpha, found mask in .*otsu"):
        paste_instances(*(folders / name for name in names), folders / "out", AugmentedOptions("rgba_blend", 4))
    copy_dataset(write_yolo(folders / "source2", train=41), "person", folders / "dataset2")
    names = ("dataset2", "placement", "extraction", "screening")
    with pytest.raises(DataError, match=r"placement: made of another dataset than .*dataset2"):
        paste_instances(*(folders / name for name in names), folders / "out", AugmentedOptions("gan_screened", 4))
    run_step(folders / "kept2", "screening", {}, {"instances": folders / "dataset2"}, lambda folder, scratch: {})
    names = ("dataset", "placement", "extraction", "kept2")
    with pytest.raises(DataError, match="made of different instances"):
        paste_instances(*(folders / name for name in names), folders / "out", AugmentedOptions("gan_screened", 4))
    assert not (folders / "out").exists()
