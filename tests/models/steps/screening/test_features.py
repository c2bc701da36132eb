import cv2
import numpy as np
import pytest

from models.steps.screening import BREAKAGES, FEATURES, describe, make_broken
from models.structures import ContractError
from tests.models.steps.screening.persons import paint_canvases


def measure(image):
    """One image, all of it, as name to value."""
    whole = np.array([[0, 0, image.shape[1], image.shape[0]]])
    return dict(zip(FEATURES, describe(image[None], whole)[0], strict=True))


def test_features_are_those_of_a_slow_second_formulation():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (32, 24, 3), dtype=np.uint8), (0, 0), 1.0)
    image[:6, :6] = [255, 100, 20]
    image[6:10, :6] = [20, 245, 245]
    found = measure(image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    counts = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in range(3)]) / (32 * 24)
    shares = np.bincount(grey.astype(int).ravel(), minlength=256) / grey.size
    spread = image.max(axis=-1).astype(int) - image.min(axis=-1)
    laplacian = cv2.Laplacian(grey, cv2.CV_64F)
    d1, d2, d4 = (
        np.mean(
            [
                abs(grey[y, x] - grey[y, x + d] - grey[y + d, x] + grey[y + d, x + d])
                for y in range(32 - d)
                for x in range(24 - d)
            ]
        )
        for d in (1, 2, 4)
    )
    expected = {
        "single_colour_distance": np.log(np.ptp(counts[:, 255]) + 1e-3),
        "saturation": spread.mean() / 255,
        "vivid_share": np.log((spread >= 160).mean() + 1e-3),
        "bright_share": np.log((grey >= 240).mean() + 1e-3),
        "dark_share": (grey <= 8).mean(),
        "peak_share": np.log(shares.max() + 1e-3),
        "entropy": -sum(p * np.log2(p) for p in shares if p > 0),
        "grey_mean": grey.mean() / 255,
        "grey_std": grey.std() / 255,
        "laplacian_variance": np.log(laplacian.var() + 1),
        "checker_2": np.log((d1 + 1) / (d2 + 1)),
        "checker_4": np.log((d2 + 1) / (d4 + 1)),
        "repeated_halves": max(
            -np.log(1.001 - max(np.corrcoef(a.ravel(), b.ravel())[0, 1], 0))
            for a, b in ((grey[:, :12], grey[:, 12:]), (grey[:16], grey[16:]))
        ),
        "mirrored_halves": max(
            -np.log(1.001 - max(np.corrcoef(a.ravel(), b.ravel())[0, 1], 0))
            for a, b in ((grey[:, :12], grey[:, :11:-1]), (grey[:16], grey[:15:-1]))
        ),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    peak = max(counts[c, v] for c in range(3) for v in range(240, 256))
    assert peak == counts[0, 255]  # so the multi-colour peak is red's 255
    assert found["multi_colour_distance"] == pytest.approx(np.log(peak - counts[:, 255].min() + 1e-3))


def test_features_show_the_breakage_they_are_meant_for():
    stripes = np.indices((32, 32)).sum(axis=0)[..., None].repeat(3, axis=2)
    plain = measure(cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8), (0, 0), 2))
    assert measure((stripes % 2 * 90).astype(np.uint8))["checker_2"] > 2
    assert plain["checker_2"] < 0
    blocks = np.kron(np.indices((16, 16)).sum(axis=0) % 2, np.ones((2, 2)))[..., None].repeat(3, axis=2) * 90
    assert measure(blocks.astype(np.uint8))["checker_4"] > 2
    assert plain["checker_4"] < 0
    flat = np.full((32, 32, 3), 70, np.uint8)
    assert measure(flat)["flat_share"] == 1.0
    assert measure(flat)["entropy"] == 0.0
    slope = np.tile(np.arange(32, dtype=np.uint8)[:, None], (32, 1, 3))
    assert measure(slope)["flat_share"] == 1.0  # one level a pixel
    assert measure(2 * slope)["flat_share"] == 0.0
    flat[:, 16:] = np.arange(32 * 16).reshape(32, 16, 1) * 7 % 200
    assert measure(flat)["flat_share"] == pytest.approx(31 * 15 / 31**2)  # the left half, up to the edge


@pytest.mark.parametrize("content", [[0, 0, 1, 1], [30, 30, 32, 32], [15, 15, 15, 15], [0, 0, 32, 2]])
def test_every_number_is_finite_even_for_tiny_boxes_and_broken_images(content):
    images, _ = paint_canvases(4, np.random.default_rng(0), 32)
    every = np.concatenate([images, *(make_broken(images, kind, np.random.default_rng(0)) for kind in BREAKAGES)])
    assert np.isfinite(describe(every, np.tile(content, (len(every), 1)))).all()
    assert np.isfinite(describe(every)).all()


def test_only_the_content_is_measured():
    images, content = paint_canvases(5, np.random.default_rng(0))
    bright = images.copy()
    for image, (x0, y0, x1, y1) in zip(bright, content, strict=True):
        kept = image[y0:y1, x0:x1].copy()
        image[:] = 255
        image[y0:y1, x0:x1] = kept
    np.testing.assert_array_equal(describe(images, content), describe(bright, content))
    assert (describe(images, content) != describe(bright)).any()


def test_no_image_batch_is_refused():
    with pytest.raises(ContractError, match="images"):
        describe(np.zeros((4, 8, 8), np.uint8))
