"""Boxes of a large image under bfloat16: their coordinates must not be rounded to it."""

import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from dataclasses import replace  # noqa: E402

from torchvision.models.detection.image_list import ImageList  # noqa: E402

from models.sr_rcnn.build import build_mask_rcnn  # noqa: E402
from models.sr_rcnn.precision import widen  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY, build_batch, build_tiny  # noqa: E402


def test_widen_keeps_what_is_wide():
    kept = {torch.float32: torch.float32, torch.float64: torch.float64, torch.bfloat16: torch.float32}
    assert {dtype: widen(torch.zeros(1, dtype=dtype)).dtype for dtype in kept} == kept


def test_proposals_under_autocast_are_those_without():
    detector = build_mask_rcnn(TINY).eval()
    images = ImageList(torch.zeros(1, 3, 1024, 1024), [(1024, 1024)])
    levels = {str(n): torch.zeros(1, 8, 64 >> n, 64 >> n) for n in range(4)} | {"pool": torch.zeros(1, 8, 4, 4)}
    with torch.no_grad():
        (expected,), _ = detector.rpn(images, levels)
        with torch.autocast("cpu", torch.bfloat16):
            (found,), _ = detector.rpn(images, levels)
    assert found.dtype == torch.float32
    assert (expected % 4 != 0).any()  # bfloat16 cannot write these at 1000 pixels
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


def test_features_and_detections_under_autocast_are_float32():
    detector = build_tiny().eval()
    images, _ = build_batch()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = detector.backbone(torch.stack(images))
        detections = detector(images)
    assert {level.dtype for level in features.values()} == {torch.float32}
    assert {detections[0][name].dtype for name in ("boxes", "scores", "masks")} == {torch.float32}


def test_frozen_norms_survive_autocast():
    detector = build_mask_rcnn(replace(TINY, norm="frozen")).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        levels = detector.backbone(torch.rand(1, 3, 64, 64))
    assert all(bool(level.isfinite().all()) for level in levels.values())
