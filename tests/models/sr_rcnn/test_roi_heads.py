"""What pairs are made of, by numpy and by one RoIAlign over features of the halved image."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from torch.nn import functional as F  # noqa: E402
from torchvision.ops import roi_align  # noqa: E402

from models.structures import pairwise_iou_xyxy  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import build_batch, build_tiny  # noqa: E402


@pytest.fixture(scope="module")
def detector():
    return build_tiny()


@pytest.fixture(scope="module")
def batch():
    images, targets = build_batch()
    targets[0]["masks"] = torch.ones_like(targets[0]["masks"])
    return images, targets


@pytest.fixture(scope="module")
def pairs_and_mask_logits(detector, batch):
    seen = []
    hook = detector.roi_heads.mask_predictor.register_forward_hook(lambda module, inputs, logits: seen.append(logits))
    pairs = detector.pair(*batch, torch.Generator().manual_seed(0))
    hook.remove()
    return pairs, seen[0].detach().numpy()


def encode(boxes, against):
    """Deltas as Fast R-CNN writes them, with torchvision's weights."""
    sides, other_sides = boxes[:, 2:] - boxes[:, :2], against[:, 2:] - against[:, :2]
    shifts = (boxes[:, :2] + boxes[:, 2:] - against[:, :2] - against[:, 2:]) / 2 / other_sides
    return np.concatenate([10 * shifts, 5 * np.log(sides / other_sides)], 1)


def test_labels_and_deltas_are_those_of_the_nearest_box(pairs_and_mask_logits, batch):
    pairs, target = pairs_and_mask_logits[0], batch[1][0]
    rois, boxes = pairs.boxes_xyxy_input.numpy(), target["boxes"].numpy()
    ious = pairwise_iou_xyxy(rois, boxes)
    is_object = pairs.labels.numpy() > 0
    assert 2 <= is_object.sum() < len(is_object)
    nearest = ious.argmax(1)
    assert (ious.max(1)[is_object] >= 0.5).all()
    np.testing.assert_array_equal(pairs.labels.numpy()[is_object], target["labels"].numpy()[nearest[is_object]])
    expected = encode(boxes[nearest[is_object]], rois[is_object])
    np.testing.assert_allclose(pairs.box_targets.numpy()[is_object], expected, rtol=1e-4, atol=1e-4)


def test_features_are_those_of_the_image_and_of_its_half(detector, batch, pairs_and_mask_logits):
    pairs = pairs_and_mask_logits[0]
    mean, std = (torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images = (torch.stack(batch[0]) - mean) / std
    halves = F.interpolate(images, scale_factor=0.5, mode="bilinear", align_corners=False)
    first = len(pairs.labels) - 16  # the second image has no objects and so gives the last 16 RoIs
    numbers = (torch.arange(len(pairs.labels)) >= first).float()[:, None]
    for found, pixels, scale in ((pairs.hr_features, images, 1.0), (pairs.lr_features, halves, 0.5)):
        with torch.no_grad():
            finest = detector.backbone(pixels)["0"]  # all RoIs are under 112 pixels
        rois = torch.cat([numbers, pairs.boxes_xyxy_input * scale], 1)
        torch.testing.assert_close(found.detach(), roi_align(finest, rois, 7, 0.25, 2), rtol=1e-4, atol=1e-5)


def test_mask_loss_is_the_cross_entropy_of_each_objects_own_class(pairs_and_mask_logits):
    pairs, logits = pairs_and_mask_logits
    labels = pairs.labels[pairs.labels > 0].numpy()
    assert logits.shape == (len(labels), 4, 28, 28)
    own = logits[np.arange(len(labels)), labels]  # all masks are full
    assert pairs.detector_losses["mask"].item() == pytest.approx(np.log1p(np.exp(-own)).mean(), rel=1e-5)
