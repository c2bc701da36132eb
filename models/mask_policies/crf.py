"""crf: masks whose borders follow the image, by mean field in a dense CRF; for scratches and spacing."""

import math
from typing import Protocol

import cv2
import numpy as np

from models.mask_policies.permutohedral import PermutohedralLattice
from models.structures import check_array, check_image

_GAUSSIAN_REACH_SIGMAS = 4.0


class DenseCrfPolicy:
    """Lets pixels of like colour and place agree on damaged or sound.

    Shapes (K maps, H x W pixels, N <= H W active pixels):
        p            float32 (K, N), probs of the active pixels
        x            float32 (K, N), log odds of the mean-field marginal q: q = sigmoid(x)
        belief v     float32 (K, N), 2 q - 1 = tanh(x / 2), the difference of the two labels' marginals
        w_m, K_m     weight and normalised (N, N) kernel, m = bilateral, smoothness

    Source: Krähenbühl and Koltun 2011, arXiv 1210.5644: eq. 2 (pairwise term), eq. 3 (the two kernels), algorithm 1.
    Here: two labels, unary -log [1 - p, p], Potts compatibility. The two labels' messages differ by
    K q - K (1 - q) = K v, so one channel a map is filtered and algorithm 1 becomes
    x <- logit p - logit t + sum_m w_m K_m v.
    Kernels are D^-1/2 K D^-1/2 with D = K 1 and include the pixel itself, pydensecrf's defaults. The smoothness kernel
    is filtered as a separable convolution, which is exact, not on a lattice.
    t is score_threshold, the mask is x >= 0: marginals end near 0 or 1, where comparing them with t would do nothing.
    At t = 0.5 the model is the paper's; with both weights 0 the policy is ThresholdPolicy.

    Maps without a pixel at or above t stay empty, and maps without one below stay full: kernels and weights are not
    negative, so beliefs of one sign send messages of that sign. These maps are left out, exactly.

    Defaults are weak, because strong ones erase scratches. Lines 3 px wide, whose probs are the line blurred by 1.5 px
    ("thin") or by 3 px and doubled ("fat": what a coarse network gives), grey levels of contrast against mottled
    paint with noise 3; recall / precision of the mask:

        policy                        thin, 8      thin, 15     thin, 30     fat, 15      fat, 30
        threshold                     0.95 / 0.98  0.95 / 0.98  0.95 / 0.98  0.99 / 0.58  0.99 / 0.58
        these defaults                0.74 / 1.00  0.98 / 1.00  0.99 / 1.00  1.00 / 0.85  1.00 / 0.82
        10 px, 8 levels, weight 5     0.02 / 1.00  0.93 / 1.00  1.00 / 1.00  0.98 / 0.98  1.00 / 0.98
        pydensecrf's 80, 13, 10; 3, 3 0            0            0.21 / 1.00  0.00 / 1.00  0.49 / 1.00

    A scratch that the image does not show (contrast 0) is mostly erased by any of them (defaults: recall 0.22).
    """

    def __init__(
        self,
        score_threshold: float = 0.5,
        iterations: int = 5,
        bilateral_sigma_px: float = 10.0,
        bilateral_sigma_rgb: float = 5.0,
        bilateral_weight: float = 2.0,
        gaussian_sigma_px: float = 1.0,
        gaussian_weight: float = 1.0,
        margin_sigmas: float | None = 4.0,
        prob_floor: float = 1e-3,
    ) -> None:
        """Keep the operating point and the kernels.

        Args:
            score_threshold: the prob at which a pixel on its own is undecided; within prob_floor of neither 0 nor 1.
            iterations: of the mean field, at least 1.
            bilateral_sigma_px: reach of the kernel of place and colour, pixels, at least 1.
            bilateral_sigma_rgb: its reach in colour, grey levels, at least 1.
            bilateral_weight: at least 0, which leaves this kernel out; log odds.
            gaussian_sigma_px: reach of the kernel of place alone, pixels, at least 0.1.
            gaussian_weight: at least 0, which leaves this kernel out; log odds.
            margin_sigmas: pixels further than this many of the larger sigma_px from any pixel at or above
                score_threshold, in any of the maps, are False and left out of the model; at least 1. None = no pixel is
                left out. An approximation: at 4, one label in 10,000 or fewer changes.
            prob_floor: in (0, 0.5); probs are clipped to [prob_floor, 1 - prob_floor] before the logarithm.

        Raises:
            ValueError: a value out of bounds; names it.
        """
        _require("prob_floor", prob_floor, "a number in (0, 0.5)", 0.0 < prob_floor < 0.5)
        is_inside = prob_floor < score_threshold < 1.0 - prob_floor
        _require("score_threshold", score_threshold, f"a number in ({prob_floor}, {1.0 - prob_floor})", is_inside)
        is_count = isinstance(iterations, int) and iterations >= 1
        _require("iterations", iterations, "a whole number of at least 1", is_count)
        _require_at_least("bilateral_sigma_px", bilateral_sigma_px, 1.0)
        _require_at_least("bilateral_sigma_rgb", bilateral_sigma_rgb, 1.0)
        _require_at_least("bilateral_weight", bilateral_weight, 0.0)
        _require_at_least("gaussian_sigma_px", gaussian_sigma_px, 0.1)
        _require_at_least("gaussian_weight", gaussian_weight, 0.0)
        if margin_sigmas is not None:
            _require_at_least("margin_sigmas", margin_sigmas, 1.0)
        self.score_threshold = score_threshold
        self.iterations = iterations
        self.bilateral_sigma_px = bilateral_sigma_px
        self.bilateral_sigma_rgb = bilateral_sigma_rgb
        self.bilateral_weight = bilateral_weight
        self.gaussian_sigma_px = gaussian_sigma_px
        self.gaussian_weight = gaussian_weight
        self.margin_sigmas = margin_sigmas
        self.prob_floor = prob_floor

    def refine(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Turn probs into masks; all maps share one lattice.

        Args:
            probs: float32 (K, H, W), [0, 1], crop frame.
            image: uint8 (H, W, 3) RGB, crop frame.

        Returns:
            bool (K, H, W), crop frame; True where the log odds are not negative.

        Raises:
            ContractError: wrong shape or dtype, NaN, values outside [0, 1].
        """
        return self.infer_log_odds(probs, image) >= 0.0

    def infer_log_odds(self, probs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Run the mean field.

        Args:
            probs: float32 (K, H, W), [0, 1], crop frame.
            image: uint8 (H, W, 3) RGB, crop frame.

        Returns:
            float32 (K, H, W), crop frame: logit of the marginal, relative to score_threshold. Maps and pixels that were
            left out keep logit p - logit t.

        Raises:
            ContractError: wrong shape or dtype, NaN, values outside [0, 1].
        """
        check_image("image", image)
        check_array("probs", probs, (None, *image.shape[:2]), np.float32, value_range=(0.0, 1.0))
        log_odds = self._relative_logit(probs)
        is_above = log_odds >= 0.0
        is_mixed = is_above.any(axis=(1, 2)) & ~is_above.all(axis=(1, 2))
        kernel_sigmas_px = [
            sigma_px
            for weight, sigma_px in (
                (self.bilateral_weight, self.bilateral_sigma_px),
                (self.gaussian_weight, self.gaussian_sigma_px),
            )
            if weight > 0.0
        ]
        if not is_mixed.any() or not kernel_sigmas_px:
            return log_odds

        if self.margin_sigmas is None:
            active = np.ones(image.shape[:2], bool)
        else:
            active = _dilate(is_above[is_mixed].any(axis=0), math.ceil(self.margin_sigmas * max(kernel_sigmas_px)))
        channels, pixels = np.flatnonzero(is_mixed)[:, None], np.flatnonzero(active)
        flat_log_odds = log_odds.reshape(len(log_odds), -1)  # view, (K, H W)
        flat_log_odds[channels, pixels] = self._mean_field(flat_log_odds[channels, pixels], image, pixels)
        return log_odds

    def _relative_logit(self, probs: np.ndarray) -> np.ndarray:
        """logit p - logit t, float32, of probs of any shape; exactly 0 at p = t."""
        t = np.float32(self.score_threshold)
        p = np.clip(probs, np.float32(self.prob_floor), np.float32(1.0 - self.prob_floor))
        odds_ratio = p * (1 - t)
        odds_ratio /= (1 - p) * t
        return np.log(odds_ratio, out=odds_ratio)

    def _mean_field(self, unary: np.ndarray, image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Iterate x <- unary + sum_m w_m K_m tanh(x / 2).

        Args:
            unary: float32 (K, N), logit p - logit t.
            image: uint8 (H, W, 3) RGB.
            pixels: int64 (N,), flat indices of the active pixels.

        Returns:
            float32 (K, N), x.
        """
        kernels: list[tuple[np.float32, _Kernel]] = []
        if self.bilateral_weight > 0.0:
            bilateral = _BilateralKernel(image, pixels, self.bilateral_sigma_px, self.bilateral_sigma_rgb)
            kernels.append((np.float32(self.bilateral_weight), bilateral))
        if self.gaussian_weight > 0.0:
            smoothness = _SmoothnessKernel(image.shape[:2], pixels, self.gaussian_sigma_px)
            kernels.append((np.float32(self.gaussian_weight), smoothness))
        x = unary
        for _ in range(self.iterations):
            belief = np.tanh(0.5 * x)
            x = unary.copy()
            for weight, kernel in kernels:
                x += weight * kernel.apply(belief)
        return x


class _Kernel(Protocol):
    def apply(self, maps: np.ndarray) -> np.ndarray:
        """D^-1/2 K D^-1/2 maps, float32 (K, N) → float32 (K, N)."""
        ...


class _BilateralKernel:
    """exp(-|dplace|^2 / 2 sigma_px^2 - |dcolour|^2 / 2 sigma_rgb^2), normalised symmetrically."""

    def __init__(self, image: np.ndarray, pixels: np.ndarray, sigma_px: float, sigma_rgb: float) -> None:
        features = np.empty((len(pixels), 5), np.float32)
        rows, columns = np.divmod(pixels, image.shape[1])
        np.divide(columns, sigma_px, out=features[:, 0], casting="same_kind")
        np.divide(rows, sigma_px, out=features[:, 1], casting="same_kind")
        np.divide(image.reshape(-1, 3)[pixels], np.float32(sigma_rgb), out=features[:, 2:])
        self._lattice = PermutohedralLattice(features)
        mass = self._lattice.filter(np.ones((len(pixels), 1), np.float32))
        self._scale = 1.0 / np.sqrt(mass)  # (N, 1); a pixel's own weight keeps mass above 0

    def apply(self, maps: np.ndarray) -> np.ndarray:
        filtered = self._lattice.filter(maps.T * self._scale)  # (N, K)
        filtered *= self._scale
        return filtered.T


class _SmoothnessKernel:
    """exp(-|dplace|^2 / 2 sigma_px^2), cut off at four sigmas, normalised symmetrically."""

    def __init__(self, size_hw: tuple[int, int], pixels: np.ndarray, sigma_px: float) -> None:
        self._size_hw = size_hw
        self._pixels = pixels
        reach_px = min(math.ceil(_GAUSSIAN_REACH_SIGMAS * sigma_px), max(size_hw))
        self._taps = np.exp(-0.5 * (np.arange(-reach_px, reach_px + 1) / sigma_px) ** 2).astype(np.float32)
        self._scale = 1.0 / np.sqrt(self._filter(np.ones(len(pixels), np.float32)))  # (N,)

    def apply(self, maps: np.ndarray) -> np.ndarray:
        return np.stack([self._scale * self._filter(self._scale * values) for values in maps])

    def _filter(self, values: np.ndarray) -> np.ndarray:
        """Convolve values of the active pixels, (N,), those left out being 0."""
        grid = np.zeros(self._size_hw, np.float32)
        grid.ravel()[self._pixels] = values
        filtered = cv2.sepFilter2D(grid, cv2.CV_32F, self._taps, self._taps, borderType=cv2.BORDER_CONSTANT)
        return filtered.ravel()[self._pixels]


def _dilate(mask: np.ndarray, margin_px: int) -> np.ndarray:
    """Widen a mask, bool (H, W), by a square of margin_px on each side."""
    extent_wh = [2 * min(margin_px, side) + 1 for side in reversed(mask.shape)]
    square = cv2.getStructuringElement(cv2.MORPH_RECT, extent_wh)
    return cv2.dilate(mask.astype(np.uint8), square).astype(bool)


def _require(name: str, value: object, expected: str, is_met: bool) -> None:
    if not is_met:
        raise ValueError(f"{name}: expected {expected}, found {value}")


def _require_at_least(name: str, value: float, least: float) -> None:
    _require(name, value, f"a finite number of at least {least}", math.isfinite(value) and value >= least)
