from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.job.detectors.options import DetectorOptions
from models.job.detectors.sr_rcnn_options import CFGS, choose_run
from models.training.sr_rcnn.options import PRESETS

JOB = DetectorOptions(cfg="sr-rcnn", epochs=6, batch_size=16, input_px=416)


def choose(photos=100, **changes):
    given = {name: changes.pop(name) for name in ("weights_sha256", "norm") if name in changes}
    return choose_run(replace(JOB, **changes), photos=photos, class_count=2, **given)


def test_epochs_and_batches_make_as_many_iterations_as_elsewhere():
    assert choose(photos=96).iterations == 36
    assert choose(photos=97).iterations == 42  # a last batch that is not full counts
    assert choose(photos=3).iterations == 6
    assert choose().gate_iterations == 0


def test_arms_of_different_length_differ_in_iterations_alone():
    short, long = choose(photos=96), choose(photos=130)
    same = {"iterations": short.iterations, "warmup_iterations": short.warmup_iterations}
    assert replace(long, **same) == short


def test_longer_side_of_the_input_is_what_was_asked_for():
    for px in (160, 416, 1344):
        detector = choose(input_px=px).detector
        assert (detector.min_size_px, detector.max_size_px) == (px, px)


@pytest.mark.parametrize(("px", "smallest"), [(64, 8), (256, 8), (416, 13), (512, 16), (1344, 32)])
def test_anchors_follow_the_input(px, smallest):
    assert choose(input_px=px).detector.anchor_sizes_px == tuple(smallest * 2**level for level in range(5))


def test_rate_grows_with_the_batch_but_is_not_below_the_presets():
    assert choose(batch_size=2).learning_rate == PRESETS["cpu"].learning_rate == 0.01
    assert choose(batch_size=16).learning_rate == 0.02
    assert choose(batch_size=64, cfg="sr-rcnn-resnet50").learning_rate == 0.08


def test_backbone_with_weights_keeps_its_statistics_and_a_start_decides_for_itself():
    assert choose().detector.norm == "batch"
    assert choose(weights_sha256="0" * 64).detector.norm == "frozen"
    assert choose(norm="frozen").detector.norm == "frozen"
    assert choose(cfg="mask-rcnn-tiny").detector.norm == "group"


def test_networks_are_those_of_the_presets():
    assert set(CFGS) == {f"{name}{size}" for name in ("sr-rcnn", "mask-rcnn") for size in ("", "-resnet50", "-tiny")}
    assert choose().detector.backbone == "efficientnet-lite0"
    assert choose(cfg="mask-rcnn-resnet50").detector.backbone == "resnet50"
    assert choose().detector.n_classes == 3
    assert choose().precision == "f32"
    assert choose(device="0").precision == "bf16"
    assert choose(weights=Path("there")) == choose()
