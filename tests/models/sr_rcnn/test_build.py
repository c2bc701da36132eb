import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from dataclasses import replace  # noqa: E402

from torchvision.models.detection import maskrcnn_resnet50_fpn  # noqa: E402

from models.sr_rcnn.build import build_mask_rcnn, build_sr_rcnn  # noqa: E402
from models.sr_rcnn.options import LITE0, DetectorOptions  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY, build_tiny  # noqa: E402

ADDED = ("roi_heads.box_roi_pool.generator.", "roi_heads.box_roi_pool.gate.", "roi_heads.box_predictor.real_fake.")


def test_defaults_have_the_weights_of_torchvisions_mask_rcnn():
    with torch.device("meta"):
        ours, theirs = build_mask_rcnn(DetectorOptions(n_classes=91)), maskrcnn_resnet50_fpn(weights_backbone=None)
        sr_rcnn = build_sr_rcnn(DetectorOptions(n_classes=91))
    expected = {name: value.shape for name, value in theirs.state_dict().items()}
    assert {name: value.shape for name, value in ours.state_dict().items()} == expected
    found = {name: value.shape for name, value in sr_rcnn.state_dict().items() if not name.startswith(ADDED)}
    assert found == expected
    for name in ("_pre_nms_top_n", "_post_nms_top_n", "nms_thresh", "score_thresh"):
        assert getattr(ours.rpn, name) == getattr(theirs.rpn, name), name
    for name in ("min_size", "max_size", "image_mean", "image_std"):
        assert getattr(ours.transform, name) == getattr(theirs.transform, name), name
    assert ours.rpn.anchor_generator.sizes == theirs.rpn.anchor_generator.sizes
    assert ours.rpn.anchor_generator.aspect_ratios == theirs.rpn.anchor_generator.aspect_ratios
    for heads in (ours.roi_heads, sr_rcnn.roi_heads):
        assert (heads.fg_bg_sampler.batch_size_per_image, heads.fg_bg_sampler.positive_fraction) == (512, 0.25)
        assert (heads.proposal_matcher.high_threshold, heads.proposal_matcher.low_threshold) == (0.5, 0.5)
        assert heads.box_coder.weights == theirs.roi_heads.box_coder.weights
        assert (heads.score_thresh, heads.nms_thresh, heads.detections_per_img) == (0.05, 0.5, 100)


def test_both_detectors_start_from_the_same_weights_and_leave_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    plain, added, other = build_mask_rcnn(TINY, seed=3), build_sr_rcnn(TINY, seed=3), build_sr_rcnn(TINY, seed=4)
    assert torch.equal(torch.rand(1), expected)
    shared, state, others = plain.state_dict(), added.state_dict(), other.state_dict()
    assert {name for name in state if name not in shared} == {name for name in state if name.startswith(ADDED)}
    assert all(torch.equal(value, state[name]) for name, value in shared.items())
    drawn = "roi_heads.box_roi_pool.generator.blocks.0.conv1.weight"
    assert not torch.equal(state[drawn], others[drawn])
    again = build_sr_rcnn(TINY, seed=3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in state.items())


def test_never_super_resolving_is_plain_mask_rcnn():
    plain, added = build_mask_rcnn(TINY).eval(), build_sr_rcnn(TINY).eval()
    added.mode = "never"
    images = [torch.from_numpy(np.random.default_rng(0).random((3, 60, 90), np.float32))]
    with torch.no_grad():
        expected, found = plain(images)[0], added(images)[0]
    assert len(expected["boxes"]) > 0
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_state_makes_the_round_trip(tmp_path):
    detector, other = build_tiny(), build_tiny()
    torch.save(detector.state_dict(), tmp_path / "weights.pt")
    loaded = torch.load(tmp_path / "weights.pt", weights_only=True)
    with pytest.raises(RuntimeError, match="blocks"):
        build_tiny(n_blocks=2).load_state_dict(loaded)
    for parameter in other.parameters():
        torch.nn.init.ones_(parameter)
    other.load_state_dict(loaded)
    image = [torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))]
    with torch.no_grad():
        found, expected = other.eval()(image)[0], detector.eval()(image)[0]
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(("norm", "layers"), [("frozen", 3), ("batch", 0), ("group", 5)])
def test_only_the_trainable_layers_learn(norm, layers):
    with torch.device("meta"):
        detector = build_sr_rcnn(replace(TINY, norm=norm, trainable_layers=layers))
    assert all(parameter.requires_grad for parameter in detector.parameters_of_discriminator())
    body = detector.backbone.body
    learning = {name.split(".")[0] for name, parameter in body.named_parameters() if parameter.requires_grad}
    expected = {0: set(), 3: {"layer4", "layer3", "layer2"}}
    assert learning == expected.get(layers, {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"})


def test_efficientnet_lite0_gives_four_strides_at_one_scale_and_the_published_normalisation():
    detector = build_mask_rcnn(replace(TINY, backbone=LITE0, norm="frozen")).eval()
    with torch.no_grad():
        levels = detector.backbone(torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)))
    sizes = {name: tuple(level.shape) for name, level in levels.items()}
    assert sizes == {
        "0": (1, 8, 16, 24), "1": (1, 8, 8, 12), "2": (1, 8, 4, 6), "3": (1, 8, 2, 3), "pool": (1, 8, 1, 2),
    }  # fmt: skip
    for name in ("0", "1", "2", "3"):
        assert levels[name].std().item() == pytest.approx(1, abs=0.1), name
    value = detector.transform.normalize(torch.full((3, 1, 1), 255 / 255)).flatten().tolist()
    assert value == pytest.approx([(255 - 127) / 128] * 3)


@pytest.mark.parametrize(("norm", "layers"), [("frozen", 3), ("batch", 0), ("batch", 5)])
def test_only_the_trainable_layers_of_efficientnet_lite0_learn(norm, layers):
    with torch.device("meta"):
        body = build_mask_rcnn(replace(TINY, backbone=LITE0, norm=norm, trainable_layers=layers)).backbone.body
    learning = {".".join(n.split(".")[:2]) for n, p in body.named_parameters() if p.requires_grad}
    halving = {f"blocks.{number}" for number in range(2, 7)}
    everything = {"conv_stem.weight", "bn1.weight", "bn1.bias", "blocks.0", "blocks.1", *halving}
    assert learning == {0: set(), 3: halving, 5: everything}[layers]
