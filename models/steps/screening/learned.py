"""A learned screen: one logistic regression on cheap features for each type of breakage.

In:   features, float (N, F), and the kind of each labelled image. Out: LearnedScreen.
Must not know: how images were broken, or where labels come from.

Source: SEEDS B4, future work of its authors. Iteratively reweighted least squares: Hastie, Tibshirani and Friedman
2009, The Elements of Statistical Learning, section 4.4.1; the ridge penalty keeps separable classes finite.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from models.steps.screening.features import FEATURES, describe
from models.structures import ContractError

GOOD: Final = "good"
"""The label of images that are not broken."""
_ITERATIONS: Final = 100
_TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class LearnedScreen:
    """Rejects an image that looks like any known type of breakage.

    Attributes:
        kinds: types of breakage, K.
        means: float64 (F,), of the features in training.
        stds: float64 (F,), above 0.
        weights: float64 (K, 1 + F), bias first, on standardised features.
        logit_threshold: an image is rejected if its highest logit over kinds is above.
    """

    kinds: tuple[str, ...]
    means: np.ndarray
    stds: np.ndarray
    weights: np.ndarray
    logit_threshold: float = 0.0

    @classmethod
    def fit(cls, features: np.ndarray, kinds: Sequence[str], *, l2: float = 1.0) -> Self:
        """Learn each kind against the good images.

        Args:
            features: float (N, F), by describe.
            kinds: of each image, GOOD or its type of breakage.
            l2: weight of the ridge penalty ½·l2·‖w‖² next to the summed log loss; the bias goes free. Above 0.

        Raises:
            ContractError: no good image or no broken one, features that are not finite or of another shape.
        """
        features, labels = np.asarray(features, np.float64), np.asarray(kinds)
        if features.ndim != 2 or len(features) != len(labels) or not np.isfinite(features).all():
            raise ContractError(f"features: expected finite ({len(labels)}, any), found shape {features.shape}")
        broken_kinds = tuple(str(kind) for kind in np.unique(labels) if kind != GOOD)
        if not broken_kinds or GOOD not in labels:
            raise ContractError(f"kinds: expected {GOOD!r} and one type of breakage at least, found {set(kinds)}")
        means, stds = features.mean(axis=0), features.std(axis=0)
        stds = np.where(stds > 0, stds, 1.0)
        standardised = (features - means) / stds
        weights = []
        for kind in broken_kinds:
            is_used = (labels == kind) | (labels == GOOD)
            weights.append(fit_logistic(standardised[is_used], labels[is_used] == kind, l2=l2))
        return cls(broken_kinds, means, stds, np.stack(weights))

    def score(self, features: np.ndarray) -> np.ndarray:
        """Compute logits, float64 (N, K), of features (N, F): above 0, rather broken in that way than good."""
        standardised = (np.asarray(features, np.float64) - self.means) / self.stds
        return standardised @ self.weights[:, 1:].T + self.weights[:, 0]

    def flag(self, features: np.ndarray) -> np.ndarray:
        """Tell which images to reject from their features (N, F); bool (N,)."""
        return self.score(features).max(axis=1) > self.logit_threshold

    def screen(self, images: np.ndarray) -> np.ndarray:
        """Tell which images, uint8 (N, H, W, 3), to reject; bool (N,)."""
        return self.flag(describe(images))

    def at_false_reject_rate(self, good_features: np.ndarray, rate: float) -> Self:
        """Move the threshold to where it rejects at most a share of good images, which training has not seen.

        Args:
            good_features: float (N, F), N >= 1.
            rate: the share, [0, 1).

        Raises:
            ContractError: no image, or rate out of range.
        """
        if not len(good_features) or not 0 <= rate < 1:
            raise ContractError(
                f"good_features, rate: expected 1 image or more and [0, 1), found {len(good_features)}, {rate}"
            )
        descending = np.sort(self.score(good_features).max(axis=1))[::-1]
        return replace(self, logit_threshold=float(descending[int(rate * len(descending) + 1e-9)]))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON can hold it, the features' names included."""
        return {
            "features": list(FEATURES),
            "kinds": list(self.kinds),
            "means": self.means.tolist(),
            "stds": self.stds.tolist(),
            "weights": self.weights.tolist(),
            "logit_threshold": self.logit_threshold,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what to_dict wrote.

        Raises:
            ContractError: it was fitted on other features than this version measures.
        """
        if tuple(values["features"]) != FEATURES:
            raise ContractError(f"features: expected {', '.join(FEATURES)}, found {', '.join(values['features'])}")
        return cls(
            tuple(values["kinds"]),
            np.asarray(values["means"], np.float64),
            np.asarray(values["stds"], np.float64),
            np.asarray(values["weights"], np.float64),
            float(values["logit_threshold"]),
        )


def fit_logistic(features: np.ndarray, is_positive: np.ndarray, *, l2: float) -> np.ndarray:
    """Fit a logistic regression with a ridge penalty by Newton's steps, halved until each lowers the loss.

    Args:
        features: float (N, F), standardised.
        is_positive: bool (N,), both kinds present.
        l2: above 0.

    Returns:
        float64 (1 + F,), bias first.

    Raises:
        ContractError: one kind only, or l2 not above 0.
    """
    if not is_positive.any() or is_positive.all() or not l2 > 0:
        raise ContractError(f"is_positive, l2: expected both kinds and above 0, found {is_positive.mean()}, {l2}")
    design = np.concatenate([np.ones((len(features), 1)), features], axis=1)
    signs = np.where(is_positive, 1.0, -1.0)
    penalty = np.r_[0.0, np.full(features.shape[1], l2)]

    def measure_loss(weights: np.ndarray) -> float:
        return float(np.logaddexp(0, -signs * (design @ weights)).sum() + 0.5 * (penalty * weights**2).sum())

    weights = np.zeros(design.shape[1])
    loss = measure_loss(weights)
    for _ in range(_ITERATIONS):
        probs = 0.5 * (1 + np.tanh(0.5 * (design @ weights)))
        gradient = design.T @ (probs - is_positive) + penalty * weights
        curvature = (design.T * (probs * (1 - probs))) @ design + np.diag(penalty)
        curvature[0, 0] += 1e-12  # of a bias that has left every prob at 0 or 1
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and measure_loss(weights - size * step) > loss:
            size /= 2
        weights = weights - size * step
        loss = measure_loss(weights)
        if float(np.abs(size * step).max()) < _TOLERANCE:
            break
    return weights
