"""crf: masks whose borders follow the image, by mean field in a dense CRF; for scratches and spacing."""

import math

import cv2
import numpy as np

from models.mask_policies.permutohedral import PermutohedralLattice
from models.structures import check_array, check_image

_GAUSSIAN_REACH = 4.0


class DenseCrfPolicy:
    """Lets pixels of like colour and place agree on damaged or sound.

    Shapes (K maps, H x W pixels, N = H W):
        probs      float32 (K, H, W), p
        x          float32 (K, H, W), logit of the mean-field marginal q, so that q = sigmoid(x)
        belief v   float32 (K, H, W), 2 q - 1 = tanh(x / 2)

    Source: Krähenbühl and Koltun 2011, arXiv 1210.5644: eq. 2 (energy), eq. 3 (bilateral and smoothness kernels),
    algorithm 1 (mean field).
    Here: two labels with unary -log [1 - p, p] and Potts compatibility. The difference of the two labels' messages is
    K q - K (1 - q) = K v, so one channel a map is filtered and algorithm 1 becomes
    x <- logit p + sum_m w_m K_m v.
    Kernels are normalised symmetrically, D^-1/2 K D^-1/2 with D = K 1, and include the pixel itself: pydensecrf's
    defaults. The smoothness kernel is filtered exactly, as a separable convolution, instead of on a lattice.
    score_threshold t replaces logit p by logit p - logit t and the mask is x >= 0: marginals end near 0 or 1, so
    comparing them with t would do nothing. At t = 0.5 this is the paper's; with both weights 0 it is ThresholdPolicy.
    """

    def __init__(
        self,
        score_threshold: float = 0.5,
        iterations: int = 5,
        bilateral_sigma_px: float = 30.0,
        bilateral_sigma_rgb: float = 13.0,
        bilateral_weight: float = 4.0,
        gaussian_sigma_px: float = 1.0,
        gaussian_weight: float = 1.0,
        prob_floor: float = 1e-3,
    ) -> None:
        """Keep the operating point and the kernels.

        Args:
            score_threshold: (0, 1); the prob at which a pixel on its own is undecided.
            iterations: of the mean field, >= 1.
            bilateral_sigma_px: reach of the kernel of place and colour, pixels.
            bilateral_sigma_rgb: its reach in colour, grey levels.
            bilateral_weight: >= 0; 0 leaves this kernel out.
            gaussian_sigma_px: reach of the kernel of place, pixels.
            gaussian_weight: >= 0; 0 leaves this kernel out.
            prob_floor: (0, 0.5); probs are clipped to [prob_floor, 1 - prob_floor] before the logarithm.

        Raises:
            ValueError: out of bounds; names the parameter.
        """
        _require("score_threshold", score_threshold, prob_floor < score_threshold < 1.0 - prob_floor)
        self.score_threshold = score_threshold
        self.iterations = iterations
        self.bilateral_sigma_px = bilateral_sigma_px
        self.bilateral_sigma_rgb = bilateral_sigma_rgb
        self.bilateral_weight = bilateral_weight
        self.gaussian_sigma_px = gaussian_sigma_px
        self.gaussian_weight = gaussian_weight
        self.prob_floor = prob_floor

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        check_image("image", image)
        check_array("probs", probs, (None, *image.shape[:2]), np.float32, value_range=(0.0, 1.0))
        unary = _logit(np.clip(probs, self.prob_floor, 1 - self.prob_floor)) - _logit(np.float32(self.score_threshold))
        return self.mean_field(unary, image) >= 0

    def mean_field(self, unary, image):
        kernels = []
        if self.bilateral_weight:
            kernels.append((self.bilateral_weight, BilateralKernel(image, self.bilateral_sigma_px, self.bilateral_sigma_rgb)))
        if self.gaussian_weight:
            kernels.append((self.gaussian_weight, SmoothnessKernel(image.shape[:2], self.gaussian_sigma_px)))
        x = unary
        for _ in range(self.iterations):
            belief = np.tanh(x * np.float32(0.5))
            x = unary.copy()
            for weight, kernel in kernels:
                x += np.float32(weight) * kernel.apply(belief)
        return x


class BilateralKernel:
    def __init__(self, image, sigma_px, sigma_rgb):
        height, width = image.shape[:2]
        features = np.empty((height, width, 5), np.float32)
        features[..., 0] = np.arange(width, dtype=np.float32) / sigma_px
        features[..., 1] = np.arange(height, dtype=np.float32)[:, None] / sigma_px
        np.divide(image, sigma_rgb, out=features[..., 2:], dtype=np.float32)
        self.lattice = PermutohedralLattice(features.reshape(-1, 5))
        mass = self.lattice.filter(np.ones((height * width, 1), np.float32))
        self.scale = 1.0 / np.sqrt(mass + np.float32(1e-20))

    def apply(self, maps):
        out = self.lattice.filter(maps.reshape(len(maps), -1).T * self.scale)
        out *= self.scale
        return out.T.reshape(maps.shape)


class SmoothnessKernel:
    def __init__(self, size_hw, sigma_px):
        self.sigma = sigma_px
        r = math.ceil(4 * sigma_px)
        t = np.arange(-r, r + 1)
        self.taps = np.exp(-0.5 * (t / sigma_px) ** 2).astype(np.float32)
        self.scale = 1 / np.sqrt(self.f(np.ones(size_hw, np.float32)))

    def f(self, m):
        return cv2.sepFilter2D(m, cv2.CV_32F, self.taps, self.taps, borderType=cv2.BORDER_CONSTANT)

    def apply(self, maps):
        return np.stack([self.f(m * self.scale) * self.scale for m in maps])


def _logit(p):
    return np.log(p) - np.log1p(-p)


def _require(name, value, ok):
    if not ok:
        raise ValueError(name)
