"""What a feature network is to the measures, and how a measure's name tells its protocol.

Must not know: torch, files.
"""

from typing import Protocol

import numpy as np

from models.structures import ContractError


class FeatureNetwork(Protocol):
    """Images to vectors whose distances stand for what people see.

    Attributes:
        name: network, layer, input size and resizing filter, for the measure's name: the filter alone moves an FID by
            points.
        weights_sha256: of the file of weights; measures are comparable only where it is equal.
    """

    name: str
    weights_sha256: str

    def compute_features(self, images: np.ndarray) -> np.ndarray:
        """Compute one vector an image.

        Args:
            images: uint8 (N, H, W, 3) RGB.

        Returns:
            float32 (N, F).
        """
        ...


def protocol_name(measure: str, count: int, network_name: str) -> str:
    """Name a measure by what it depends on, such as fid_5k_lite0_head_224_bicubic.

    Args:
        measure: fid, kid, precision, …
        count: generated images that were measured; whole thousands are written with a k.
        network_name: FeatureNetwork.name.

    Raises:
        ValueError: no image.
    """
    if count < 1:
        raise ValueError(f"count: expected at least one image, found {count}")
    sample = f"{count // 1000}k" if count % 1000 == 0 else str(count)
    return f"{measure}_{sample}_{network_name}"


def check_features(name: str, features: np.ndarray, *, at_least: int = 1) -> np.ndarray:
    """Refuse what is no table of finite numbers.

    Args:
        name: the argument's name, for the message.
        features: float (N, F).
        at_least: rows that the measure needs.

    Returns:
        float64 (N, F).

    Raises:
        ContractError: naming the argument, what was expected and what was found.
    """
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise ContractError(f"{name}: expected float (N, F), found {features.dtype} {features.shape}")
    if len(features) < at_least or not features.shape[1]:
        raise ContractError(f"{name}: expected at least {at_least} rows of features, found shape {features.shape}")
    if not np.isfinite(features).all():
        row = int(np.argmin(np.isfinite(features).all(axis=1)))
        raise ContractError(f"{name}: expected finite numbers, found NaN or infinity in row {row}")
    return features.astype(np.float64)


def check_same_width(generated: np.ndarray, real: np.ndarray) -> None:
    """Refuse features of two networks.

    Raises:
        ContractError: the widths differ.
    """
    if generated.shape[1] != real.shape[1]:
        raise ContractError(f"real: expected {generated.shape[1]} features a row, found {real.shape[1]}")
