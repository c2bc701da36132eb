"""The job's photos as the training of SR-RCNN takes them, against what augmented wrote for any other detector."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.job import augmented
from models.job.augmented import AugmentedOptions, load_augmented, paste_instances
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.detectors.outlined_photos import collect_photos
from models.job.extraction import Cutouts
from models.job.placement import PlacementOptions, draw_places
from models.steps.step_folder import run_step
from models.structures import rasterise_polygons
from models.training.sr_rcnn.batches import build_sample, draw_masks
from tests.models.job.damage import write_seed
from tests.models.job.scenes import write_yolo
from tests.models.job.test_augmented import blocks


def paste(root, arm, cutouts, count=6):
    draw_places(root / "dataset", root / "placement", PlacementOptions(count=count))
    for name in ("extraction", "screening"):
        run_step(root / name, name, {"mode": "alpha"}, {}, lambda folder, scratch: {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augmented, "load_cutouts", lambda folder, source: cutouts)
        names = ("dataset", "placement", "extraction", "screening", arm)
        return paste_instances(*(root / name for name in names), AugmentedOptions(arm, count)).folder


def read_boxes(photo):
    """What ultralytics would read of a photo's labels: class ids and boxes, pixels."""
    height, width = photo.size_hw
    lines = (photo.path.parents[2] / "labels" / "train" / f"{photo.path.stem}.txt").read_text().splitlines()
    rows = np.array([[float(v) for v in line.split()] for line in lines]).reshape(-1, 5)
    centres, sides = rows[:, 1:3] * (width, height), rows[:, 3:] * (width, height)
    return rows[:, 0].astype(int), np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def test_every_photo_has_the_boxes_that_its_labels_have(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=9, val=2, test=2), "person", tmp_path / "dataset")
    arm = paste(tmp_path, "gan_unscreened", blocks((255, 0, 0)))
    data = load_dataset_step(tmp_path / "dataset")
    photos = collect_photos(data, arm)
    assert len(photos) == len(data.choose("train")) + 6
    assert [photo.path for photo in collect_photos(data, None)] == [photo.path for photo in data.choose("train")]
    for photo in photos:
        class_ids, boxes = read_boxes(photo)
        _, target = build_sample(photo)
        assert target["labels"].tolist() == [k + 1 for k in class_ids]
        assert np.abs(target["boxes"].numpy() - boxes).max() <= 1  # whole pixels


def test_photos_without_objects_are_learned_from_too(tmp_path):
    source = write_yolo(tmp_path / "source", train=6, val=2, test=2)
    (source / "labels" / "train" / "train001.txt").write_text("")
    copy_dataset(source, "person", tmp_path / "dataset")
    photos = {photo.path.name: photo for photo in collect_photos(load_dataset_step(tmp_path / "dataset"), None)}
    assert photos["train001.png"].objects == ()
    assert len(photos) == 6


def test_outlines_of_annotators_are_masks_and_boxes_without_are_filled(tmp_path):
    copy_dataset(write_seed(tmp_path / "source", damaged=4, undamaged=1), "scratch", tmp_path / "dataset")
    data = load_dataset_step(tmp_path / "dataset")
    names, seen = (None, *data.class_names), set()
    for source, photo in zip(data.choose("train"), collect_photos(data, None), strict=True):
        for outline, own, mask in zip(source.outlines_xy, photo.objects, draw_masks(photo), strict=True):
            seen.add(names[own.class_id])
            assert own.is_box == (outline is None)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            filled = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean()
            assert (filled == 1) == own.is_box
            if outline is not None:
                assert np.array_equal(mask, rasterise_polygons([outline], photo.size_hw))
    assert seen == {"scratch", "car"}


def test_pasted_instance_has_the_mask_that_was_written_and_covers_what_lay_below(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=9, val=2, test=2), "person", tmp_path / "dataset")
    ring = np.zeros((1, 24, 24, 4), np.uint8)
    ring[0, 2:22, 3:21] = 255
    ring[0, 8:16, 8:16, 3] = 0  # a hole
    ring[0, 2:6, 12:14, 3] = 0  # and a cut through the upper side
    cutouts = Cutouts(np.repeat(ring, 12, axis=0), np.tile([3, 2, 21, 22], (12, 1)), np.arange(12))
    arm = paste(tmp_path, "gan_unscreened", cutouts)
    photos = collect_photos(load_dataset_step(tmp_path / "dataset"), arm)[-6:]
    parts = []
    for record, photo in zip(load_augmented(arm), photos, strict=True):
        parts.append(len(record["outlines_xy_photo"]))
        mask = rasterise_polygons(record["outlines_xy_photo"], photo.size_hw)
        assert mask.sum() == record["area_px2"]
        assert np.array_equal(draw_masks(photo)[-1] & mask, mask)
        assert (draw_masks(photo)[-1] & ~mask).sum() <= 4 * len(record["outlines_xy_photo"])
    assert max(parts) > 1


def test_what_a_paste_hides_is_no_object(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=3, val=2, test=2), "person", tmp_path / "dataset")
    arm = paste(tmp_path, "gan_unscreened", blocks((255, 0, 0)), count=1)
    (record,) = json.loads((arm / "index.json").read_text())
    for own in record["objects"]:
        own["is_labelled"] = False
    (arm / "index.json").write_text(json.dumps([record]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.job.detectors.outlined_photos.load_augmented", lambda folder: [record])
        photo = collect_photos(load_dataset_step(tmp_path / "dataset"), arm)[-1]
    (left,) = photo.objects
    assert left.class_id == 2
    assert record["objects"]
