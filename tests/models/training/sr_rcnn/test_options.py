from dataclasses import replace

import pytest

from models.training.sr_rcnn.options import PRESETS, RunOptions, choose_options


def test_gpu_preset_is_the_thesis():
    options = choose_options("gpu")
    assert (options.detector.backbone, options.detector.rois_per_image, options.batch_size) == ("resnet50", 512, 2)
    assert (options.learning_rate, options.generator_rate, options.iterations) == (0.0025, 1e-4, None)
    assert options.super_resolution.n_blocks == 7
    assert (options.losses.rpn_box_weight, options.losses.adversarial_weight) == (10.0, 0.001)


@pytest.mark.parametrize(
    ("given", "norm"),
    [
        ({}, "batch"),
        ({"has_weights": True}, "frozen"),
        ({"backbone": "resnet50"}, "group"),
        ({"backbone": "resnet50", "has_weights": True, "norm": "batch"}, "batch"),
    ],
)
def test_norm_follows_the_backbone_and_its_weights(given, norm):
    assert choose_options("cpu", **given).detector.norm == norm


def test_flags_reach_the_options():
    options = choose_options(
        "smoke", seeds=4, share=0.1, min_size_px=64, rpn_box_weight=1.0, lr_level="same", detaches_lr=True,
        is_saturating=False, learning_rate=0.025, iterations=None,
    )  # fmt: skip
    assert options.seeds == (1, 2, 3, 4)
    assert (options.share, options.detector.min_size_px, options.learning_rate) == (0.1, 64, 0.025)
    assert (options.losses.rpn_box_weight, options.losses.detaches_lr, options.losses.is_saturating) == (1, True, False)
    assert options.super_resolution.lr_level == "same"
    assert options.iterations == PRESETS["smoke"].iterations


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("share", 0.0), ("share", 1.5), ("seeds", ()), ("seeds", (1, 1)), ("iterations", 0), ("precision", "fp16"),
        ("gate_share", 1.0), ("learning_rate", 0.0), ("jitter_sizes_px", (9999,)), ("device", "tpu"),
    ],
)  # fmt: skip
def test_option_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected "):
        replace(RunOptions(), **{name: value})


def test_unknown_preset_and_number_of_seeds_are_refused():
    with pytest.raises(ValueError, match=r"^preset: expected one of smoke, cpu, gpu, found 'huge'"):
        choose_options("huge")
    with pytest.raises(ValueError, match=r"^seeds: expected 1 or more, found 0"):
        choose_options("cpu", seeds=0)
    with pytest.raises(ValueError, match=r"^norm: expected one of batch, frozen"):
        choose_options("cpu", norm="group")


def test_how_a_run_is_worked_off_does_not_decide_it():
    options = RunOptions()
    other = replace(options, device="cpu", workers=1, max_minutes=3.0, progress=True)
    assert options.deciding() == other.deciding()
    assert options.deciding() != replace(options, batch_size=4).deciding()
