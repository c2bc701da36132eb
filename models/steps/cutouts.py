"""Cut-outs with transparency: resizing colour and alpha together.

In:   RGBA, uint8 (h, w, 4), straight (not premultiplied) alpha. Out: the same at another size.
Must not know: where a cut-out comes from or goes to.
"""

import cv2
import numpy as np

from models.structures import ContractError, check_array


def check_rgba(name: str, rgba: np.ndarray) -> None:
    """Refuse anything but a cut-out with pixels, uint8 (h, w, 4).

    Raises:
        ContractError: wrong shape or dtype, or no pixels.
    """
    check_array(name, rgba, (None, None, 4), np.uint8)
    if rgba.size == 0:
        raise ContractError(f"{name}: expected at least one pixel, found shape {rgba.shape}")


def resize_rgba(rgba: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Scale a cut-out; colours are weighted by alpha, so that what is hidden does not bleed into the edge.

    Args:
        rgba: uint8 (h, w, 4), straight alpha.
        size_hw: new height and width, 1 or more.

    Returns:
        uint8 (*size_hw, 4), straight alpha, colour 0 where alpha is 0; a copy as it was where the size stays.
        Averaged over areas where an axis shrinks, else bilinear.
    """
    height, width = size_hw
    if rgba.shape[:2] == (height, width):
        return rgba.copy()
    is_shrinking = height < rgba.shape[0] or width < rgba.shape[1]
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    premultiplied = np.concatenate([rgba[..., :3] * alpha, alpha], axis=-1)  # (h, w, 4)
    how = cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR
    scaled = cv2.resize(premultiplied, (width, height), interpolation=how)
    alpha = scaled[..., 3:]
    colour = np.divide(scaled[..., :3], alpha, out=np.zeros_like(scaled[..., :3]), where=alpha >= 0.5 / 255.0)
    return np.rint(np.concatenate([colour, alpha * 255.0], axis=-1)).clip(0, 255).astype(np.uint8)
