import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.errors import TrainingStopped
from models.training.sr_rcnn import measuring
from models.training.sr_rcnn.batches import build_sample
from models.training.sr_rcnn.inference import FoundObjects
from models.training.sr_rcnn.measuring import measure_detector
from models.training.sr_rcnn.photos import load_detection_data
from models.training.stopping import StopRequest

VARIANTS = ["sr-rcnn", "sr-rcnn-without-generator", "sr-rcnn-size-gate", "sr-rcnn-small"]


def test_detector_that_sees_the_truth_measures_one_in_every_variant(finished, tmp_path, monkeypatch):
    here, _ = finished
    photos = load_detection_data([here / "coco"]).judged
    targets = iter([build_sample(photo)[1] for photo in photos])

    def see(detector, image, modes):
        target = next(targets)
        truth = FoundObjects(
            target["boxes"].numpy(), target["labels"].numpy(), np.ones(len(target["labels"])),
            target["masks"].numpy().astype(bool),
        )  # fmt: skip
        blind = FoundObjects(truth.boxes_xyxy_photo[:0], truth.class_ids[:0], truth.scores[:0], truth.masks[:0])
        return [truth if mode == "gated" else blind for mode in modes]

    monkeypatch.setattr(measuring, "find_objects_in_modes", see)
    shutil.copy(here / "out" / "sr-rcnn-seed1" / "checkpoint.pt", tmp_path)
    told = measure_detector(tmp_path, photos, 2, device="cpu", request=StopRequest(None))
    values = {variant: [kinds[kind]["AP"][0] for kind in ("box", "mask")] for variant, kinds in told.items()}
    assert list(values) == VARIANTS
    for name, own in values.items():
        assert own == pytest.approx([1, 1] if name == "sr-rcnn-size-gate" else [0, 0]), name
    assert len(told["sr-rcnn-small"]["box"]["AP_S"]) == 1 + measuring.REPLICATES
    monkeypatch.setattr(measuring, "load_detector", None)  # measures that are there are taken
    again = measure_detector(tmp_path, photos, 2, device="cpu", request=StopRequest(None))
    assert np.array_equal(again["sr-rcnn"]["mask"]["AP50"], told["sr-rcnn"]["mask"]["AP50"])


def test_judging_can_be_stopped(finished, tmp_path):
    here, _ = finished
    shutil.copy(here / "out" / "sr-rcnn-seed1" / "checkpoint.pt", tmp_path)
    photos = load_detection_data([here / "coco"]).judged
    with pytest.raises(TrainingStopped, match="max_minutes after step 0 of 2"):
        measure_detector(tmp_path, photos, 2, device="cpu", request=StopRequest(1e-9))
    assert not (tmp_path / "measures.npz").exists()
