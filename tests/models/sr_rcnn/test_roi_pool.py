"""Every mode of super-resolution on a pyramid of one level."""

import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from torchvision.ops import MultiScaleRoIAlign, roi_align  # noqa: E402

from models.sr_rcnn.generator import FeatureGenerator  # noqa: E402
from models.sr_rcnn.roi_pool import SuperResolvingRoiPool  # noqa: E402
from models.sr_rcnn.size_gate import SizeGate  # noqa: E402

FEATURES = {"0": torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))}
BOXES = [torch.tensor([[4.0, 4, 20, 24], [0, 0, 60, 60]]), torch.tensor([[30.0, 10, 50, 30]])]


@pytest.fixture
def pool():
    torch.manual_seed(0)
    generator, gate = FeatureGenerator(3, 2, starts_as_identity=False), SizeGate(4)
    return SuperResolvingRoiPool(MultiScaleRoIAlign(["0"], 7, 2), generator, gate, mode="never", small_px=32).eval()


@torch.no_grad()
def pool_in(pool, mode):
    pool.mode = mode
    return pool(FEATURES, BOXES, [(64, 64), (64, 64)])


def test_never_is_plain_roi_align(pool):
    assert torch.equal(pool_in(pool, "never"), roi_align(FEATURES["0"], BOXES, 7, 0.25, 2))


def test_always_applies_the_generator_to_the_images_own_rois(pool):
    with torch.no_grad():
        expected = pool.generator(roi_align(FEATURES["0"], BOXES, 7, 0.25, 2))
    assert torch.equal(pool_in(pool, "always"), expected)


def test_small_super_resolves_small_rois_only(pool):
    never, always, small = (pool_in(pool, mode) for mode in ("never", "always", "small"))
    assert torch.equal(small[1], never[1])
    torch.testing.assert_close(small[[0, 2]], always[[0, 2]])
    assert not torch.equal(small[0], never[0])
    pool.small_px = 1.0
    assert torch.equal(pool_in(pool, "small"), never)


def test_gated_lies_between_and_reaches_both_ends(pool):
    never, always, gated = (pool_in(pool, mode) for mode in ("never", "always", "gated"))
    torch.testing.assert_close(gated, (never + always) / 2)  # the untrained gate
    for bias, expected in ((100.0, always), (-200.0, never)):
        torch.nn.init.constant_(pool.gate.out.bias, bias)
        assert torch.equal(pool_in(pool, "gated"), expected)


def test_images_without_rois_give_no_features(pool):
    for mode in ("never", "always", "small", "gated"):
        pool.mode = mode
        assert pool(FEATURES, [torch.zeros(0, 4)] * 2, [(64, 64)] * 2).shape == (0, 3, 7, 7)
