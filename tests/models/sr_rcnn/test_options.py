import pytest

pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.options import DetectorOptions, LossOptions, SuperResolutionOptions


def test_defaults_are_the_thesis():
    detector, added, losses = DetectorOptions(), SuperResolutionOptions(), LossOptions()
    assert (detector.backbone, detector.channels, detector.rois_per_image) == ("resnet50", 256, 512)
    assert (added.n_blocks, added.mode, added.lr_level) == (7, "always", "native")
    assert (losses.adversarial_weight, losses.pair_weight, losses.rpn_box_weight) == (0.001, 0.5, 10.0)
    assert losses.is_saturating
    assert not losses.detaches_lr


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (DetectorOptions, {"backbone": "vgg16"}),
        (DetectorOptions, {"norm": "layer"}),
        (DetectorOptions, {"norm": "group", "backbone": "efficientnet-lite0"}),
        (DetectorOptions, {"n_classes": 1}),
        (DetectorOptions, {"max_size_px": 100}),
        (DetectorOptions, {"trainable_layers": 6}),
        (DetectorOptions, {"anchor_sizes_px": (8, 16)}),
        (DetectorOptions, {"rois_per_image": 0}),
        (SuperResolutionOptions, {"mode": "sometimes"}),
        (SuperResolutionOptions, {"lr_level": "other"}),
        (SuperResolutionOptions, {"n_blocks": 0}),
        (SuperResolutionOptions, {"small_px": float("nan")}),
        (LossOptions, {"pair_weight": -1.0}),
        (LossOptions, {"content_weight": float("nan")}),
    ],
)
def test_what_cannot_be_is_refused_by_name(kind, arguments):
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: expected"):
        kind(**arguments)
