"""The detector in fixed shapes finds what torchvision's own forward finds, in every mode, one image or several."""

from dataclasses import asdict, replace

import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from torchvision.models.detection.image_list import ImageList  # noqa: E402
from torchvision.ops.poolers import LevelMapper  # noqa: E402

from models.sr_rcnn.network import FinderForExport, build_finder, propose  # noqa: E402
from models.sr_rcnn.options import SuperResolutionOptions  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY  # noqa: E402

SIZE_HW = (256, 384)
ADDED = {"n_blocks": 2, "starts_as_identity": False, "small_px": 60.0}
SPREAD = replace(TINY, anchor_sizes_px=(130, 30, 240, 60, 60), proposals=200, max_detections=40, score_threshold=0.05)
"""Proposals come from the two finest levels, whose anchors differ: RoIs are pooled from two levels of the pyramid."""


def build(name="sr-rcnn", mode="always", **detector):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_finder(name, asdict(replace(SPREAD, **detector)), {**ADDED, "mode": mode})
        spread_scores(network)
    return network.eval()


def spread_scores(network):
    """Weights large enough that proposals and classes differ clearly; as drawn all scores are nearly alike."""
    for layer in (network.rpn.head.cls_logits, network.rpn.head.bbox_pred):
        torch.nn.init.normal_(layer.weight, std=0.05)
    classes = network.roi_heads.box_predictor.cls_score.weight
    torch.nn.init.normal_(classes, std=3.0)
    with torch.no_grad():
        classes -= classes.mean(dim=1, keepdim=True)
    torch.nn.init.normal_(network.roi_heads.box_predictor.bbox_pred.weight, std=0.2)


def draw(count):
    return 2 * torch.randn(count, 3, *SIZE_HW, generator=torch.Generator().manual_seed(count))


@torch.inference_mode()
def find_as_torchvision(network, x, size_hw=SIZE_HW):
    """Its own proposal network and heads: boxes, scores, labels, masks of each image, any number."""
    sizes = [size_hw] * len(x)
    features = network.backbone(x)
    proposals, _ = network.rpn(ImageList(x, sizes), features)
    return network.roi_heads(features, proposals, sizes)[0]


def assert_same(rows, found):
    count = len(found["scores"])
    assert count
    assert not rows[count:, 4].any()
    torch.testing.assert_close(rows[:count, :4], found["boxes"], atol=1e-3, rtol=0)
    torch.testing.assert_close(rows[:count, 4], found["scores"], atol=1e-5, rtol=0)
    assert rows[:count, 5].tolist() == found["labels"].tolist()
    torch.testing.assert_close(rows[:count, 6:], found["masks"].flatten(1), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("sr-rcnn", "always"), ("sr-rcnn", "never"), ("sr-rcnn", "small"), ("sr-rcnn", "gated"), ("mask-rcnn", "always")],
)
def test_rows_are_what_torchvision_finds(name, mode):
    network, x = build(name, mode), draw(2)
    with torch.inference_mode():
        rows = FinderForExport(network)(x)
    assert rows.shape == (2, SPREAD.max_detections, 6 + 28**2)
    for own, found in zip(rows, find_as_torchvision(network, x), strict=True):
        assert_same(own, found)


def test_modes_sizes_and_classes_differ_so_that_the_comparison_can_fail():
    x = draw(1)
    with torch.inference_mode():
        rows = [FinderForExport(build(mode=mode))(x)[0] for mode in ("always", "never", "small")]
    assert not any(torch.equal(rows[i], rows[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    sides = (rows[0][:, 2:4] - rows[0][:, :2]).prod(1).sqrt()
    assert [bool((own == level).any()) for own in [LevelMapper(2, 5)([rows[0][:, :4]])] for level in (0, 1)] == [
        True
    ] * 2
    assert bool((sides < ADDED["small_px"]).any())
    assert len(rows[0][:, 5].unique()) == 3


def test_where_less_is_found_the_other_rows_have_score_0():
    network = build(score_threshold=0.75)
    x = draw(1)
    with torch.inference_mode():
        rows = FinderForExport(network)(x)[0]
    (found,) = find_as_torchvision(network, x)
    assert 0 < len(found["scores"]) < SPREAD.max_detections
    assert_same(rows, found)


def test_places_without_a_proposal_detect_nothing():
    network, x = build(max_detections=400), draw(1)
    network.rpn.nms_thresh = 0.01
    with torch.inference_mode():
        _, is_proposed = propose(network.rpn, x, network.backbone(x))
        rows = FinderForExport(network)(x)[0]
    assert 0 < int(is_proposed.sum()) < is_proposed.shape[1]
    assert_same(rows, find_as_torchvision(network, x)[0])


def test_an_image_is_found_the_same_alone_and_among_others():
    wrapped, x = FinderForExport(build()), draw(3)
    with torch.inference_mode():
        together, alone = wrapped(x), torch.cat([wrapped(one[None]) for one in x])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


def test_more_detections_than_candidates_are_as_many_as_there_are():
    network = build("mask-rcnn", max_detections=500)
    with torch.inference_mode():
        rows = FinderForExport(network)(draw(1))
    candidates = SPREAD.proposals // 2 * (SPREAD.n_classes - 1)
    assert rows.shape[1] == candidates


def test_a_card_rebuilds_the_network_it_records():
    options = asdict(SuperResolutionOptions(n_blocks=2, mode="gated"))
    network = build_finder("sr-rcnn", asdict(TINY), options)
    assert network.mode == "gated"
    assert len(network.generator.blocks) == 2
    assert network.roi_heads.detections_per_img == TINY.max_detections
    assert not hasattr(build_finder("mask-rcnn", asdict(TINY)), "generator")


def test_an_unknown_detector_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^name: expected sr-rcnn or mask-rcnn, found 'yolo'$"):
        build_finder("yolo")
