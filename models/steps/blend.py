"""blend: an instance is pasted into a photo; what was really pasted gives mask and box.

In:   photo, uint8 (H, W, 3) RGB; cut-out, uint8 (h, w, 4), straight alpha; its box. Out: Pasted.
Must not know: where the box comes from, files, labels.

Colours are mixed as they are stored (sRGB, not linear light), as the GAN that learns an alpha mixes them.
Source: Pérez, Gangnet and Blake 2003, Poisson image editing; Reinhard et al. 2001, Color transfer between images.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from models.steps.cutouts import check_rgba, resize_rgba
from models.structures import ContractError, check_image

MODES: Final[tuple[str, ...]] = ("hard", "feathered", "poisson")
OPAQUE: Final = 128
_ERODED_PX: Final = 3
"""How much OpenCV takes off the mask's border before it copies gradients."""
_MIN_CORE_SHARE: Final = 0.25
"""Least share of the mask that must remain after that; of thin instances the clone would leave next to nothing."""
_ENLARGED: Final = 4
"""How many times thin instances are enlarged for the clone, so that what is eroded is less than a pixel."""
_PAD_PX: Final = 4
_STD_RATIOS: Final = (0.5, 2.0)


@dataclass(frozen=True)
class Pasted:
    """A photo with an instance in it.

    Attributes:
        photo: uint8 (H, W, 3) RGB, new.
        mask: bool (H, W), the instance: alpha half or more, whatever the blending does inside.
        touched: bool (H, W), pixels that may differ from before: the mask, and where the mode has one its soft edge.
        box_xyxy_photo: int64 (4,), tight around the mask.
        mode: how it was done; "feathered" where an instance was too thin for "poisson".
    """

    photo: np.ndarray
    mask: np.ndarray
    touched: np.ndarray
    box_xyxy_photo: np.ndarray
    mode: str


def paste(
    photo: np.ndarray,
    rgba: np.ndarray,
    box_xyxy_photo: np.ndarray,
    mode: str = "hard",
    *,
    feather_px: float = 2.0,
    match_strength: float = 0.0,
) -> Pasted:
    """Paste a cut-out.

    Args:
        photo: uint8 (H, W, 3) RGB.
        rgba: uint8 (h, w, 4); scaled to the box where it has another size.
        box_xyxy_photo: int (4,), inside the frame.
        mode: "hard": pixels with alpha half or more replace the photo's. "feathered": mixed by alpha, which rises from
            the border inwards over feather_px and keeps a softer edge of its own. "poisson": OpenCV's seamless clone of
            the mask, feathered inwards, since the clone does not quite meet the photo at a mask's border; an instance
            of which less than a quarter is more than 3 px from its border is enlarged for that, and one of a pixel or
            two feathered instead. Of a mask drawn loosely around a scratch the paint takes the photo's colour; what has
            no gradient of its own vanishes, which measure_change tells.
        feather_px: width of the inward slope, 0 or more; less in an instance that is thinner than twice that.
        match_strength: how far the instance's mean and spread in CIE Lab move to those of the pixels around, [0, 1].

    Raises:
        ContractError: unknown mode, arrays of another shape or dtype, a box that is empty or leaves the frame, a
            cut-out without a pixel of alpha half or more, a number out of range.
    """
    if mode not in MODES:
        raise ContractError(f"mode: expected one of {', '.join(MODES)}, found {mode!r}")
    check_image("photo", photo)
    check_rgba("rgba", rgba)
    if feather_px < 0 or not 0 <= match_strength <= 1:
        raise ContractError(
            f"feather_px, match_strength: expected 0 or more and [0, 1], found {feather_px}, {match_strength}"
        )
    x0, y0, x1, y1 = _check_box(box_xyxy_photo, photo.shape[:2])
    window = np.s_[y0:y1, x0:x1]
    scaled = resize_rgba(rgba, (y1 - y0, x1 - x0))
    solid = scaled[..., 3] >= OPAQUE
    if not solid.any():
        raise ContractError("rgba: expected a pixel of alpha 128 or more, found none at the box's size")
    colours = scaled[..., :3]
    if match_strength:
        colours = match_surroundings(photo, colours, solid, (x0, y0), match_strength=match_strength)
    scale = 1
    if mode == "poisson" and _core_share(solid) < _MIN_CORE_SHARE:
        scale = _ENLARGED
        if _core_share(_enlarge(solid.astype(np.uint8), scale)) < _MIN_CORE_SHARE:
            mode = "feathered"
    if mode == "hard":
        alpha = solid.astype(np.float32)
    elif mode == "feathered":
        alpha = _slope(scaled[..., 3] > 0, feather_px) * (scaled[..., 3] / np.float32(255))
    else:
        alpha = _slope(solid, feather_px)
        colours = _clone(photo, colours, solid, (x0, y0), scale)
    blended = photo.copy()
    mixed = photo[window] + alpha[..., None] * (colours.astype(np.float32) - photo[window])
    blended[window] = np.rint(mixed).clip(0, 255).astype(np.uint8)
    mask, touched = np.zeros(photo.shape[:2], bool), np.zeros(photo.shape[:2], bool)
    mask[window], touched[window] = solid, alpha > 0
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    box = np.array([x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1], np.int64)
    return Pasted(blended, mask, touched, box, mode)


def measure_change(photo: np.ndarray, pasted: Pasted) -> float:
    """Tell how much a paste shows: of the instance's pixels a tenth changed by more than this.

    Args:
        photo: uint8 (H, W, 3) RGB, before the paste.
        pasted: into it.

    Returns:
        Distance in CIE Lab, 0 or more; about 2 can just be seen side by side, black and white are 100 apart.
    """
    x0, y0, x1, y1 = pasted.box_xyxy_photo
    window = np.s_[y0:y1, x0:x1]
    before, after = (
        cv2.cvtColor(np.ascontiguousarray(image[window]).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        for image in (photo, pasted.photo)
    )
    distances = np.linalg.norm(after - before, axis=-1)[pasted.mask[window]]
    return float(np.quantile(distances, 0.9))


def match_surroundings(
    photo: np.ndarray, colours: np.ndarray, mask: np.ndarray, corner_xy: tuple[int, int], *, match_strength: float
) -> np.ndarray:
    """Move an instance's light and colour towards those of the pixels around it.

    Args:
        photo: uint8 (H, W, 3) RGB.
        colours: uint8 (h, w, 3) RGB, the instance.
        mask: bool (h, w), its pixels, one at least.
        corner_xy: where its top left corner goes, so that it lies inside the frame.
        match_strength: 0 leaves mean and standard deviation of each CIE Lab channel, 1 takes those around.

    Returns:
        uint8 (h, w, 3). Around means within half its sides, at least 4 px, outside the mask; with no such pixel it
        stays as it was. A standard deviation is halved or doubled at most.
    """
    (height, width), (x, y) = mask.shape, corner_xy
    reach_y, reach_x = max(height // 2, 4), max(width // 2, 4)
    top, left = max(y - reach_y, 0), max(x - reach_x, 0)
    nearby = photo[top : y + height + reach_y, left : x + width + reach_x]
    is_around = np.ones(nearby.shape[:2], bool)
    is_around[y - top : y - top + height, x - left : x - left + width] = ~mask
    if not is_around.any():
        return colours
    own_lab, around_lab = (cv2.cvtColor(a.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for a in (colours, nearby))
    own, around = own_lab[mask], around_lab[is_around]  # (K, 3), (L, 3)
    own_std = own.std(axis=0)
    ratios = np.divide(around.std(axis=0), own_std, out=np.ones_like(own_std), where=own_std > 1e-3)
    matched = (own_lab - own.mean(axis=0)) * ratios.clip(*_STD_RATIOS) + around.mean(axis=0)
    moved = own_lab + np.float32(match_strength) * (matched - own_lab)
    return np.rint(cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_Lab2RGB).clip(0, 1) * 255).astype(np.uint8)


def _check_box(box_xyxy_photo: np.ndarray, size_hw: tuple[int, int]) -> tuple[int, int, int, int]:
    box = np.asarray(box_xyxy_photo)
    if box.shape != (4,) or not np.issubdtype(box.dtype, np.integer):
        raise ContractError(f"box_xyxy_photo: expected integers (4,), found {box.dtype} {box.shape}")
    x0, y0, x1, y1 = (int(edge) for edge in box)
    if not (0 <= x0 < x1 <= size_hw[1] and 0 <= y0 < y1 <= size_hw[0]):
        raise ContractError(f"box_xyxy_photo: expected a box inside {size_hw} (H, W), found {box.tolist()}")
    return x0, y0, x1, y1


def _core_share(mask: np.ndarray) -> float:
    padded = np.pad(mask, _ERODED_PX).astype(np.uint8)
    core = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=_ERODED_PX)
    return cv2.countNonZero(core) / cv2.countNonZero(padded)


def _slope(mask: np.ndarray, feather_px: float) -> np.ndarray:
    """1 inside a mask, falling to its border; float32 (h, w), 0 outside. The middle of a thin mask reaches 1 too."""
    distances_px = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distances_px = distances_px[1:-1, 1:-1]  # 1 at the border's own pixels
    width_px = min(feather_px, float(distances_px.max()) - 1)
    return np.clip(distances_px / np.float32(width_px + 1), 0, 1)


def _clone(
    photo: np.ndarray, colours: np.ndarray, mask: np.ndarray, corner_xy: tuple[int, int], scale: int
) -> np.ndarray:
    """Clone an instance seamlessly; uint8 (h, w, 3), only pixels of the mask are meant to be used.

    The photo is continued beyond its border, since OpenCV wants a rim of photo around the mask and a place for it.
    """
    (height, width), (x, y) = mask.shape, corner_xy
    padded = cv2.copyMakeBorder(photo, *(_PAD_PX,) * 4, cv2.BORDER_REPLICATE)
    around = _enlarge(padded[y : y + height + 2 * _PAD_PX, x : x + width + 2 * _PAD_PX], scale)
    window = np.s_[scale * _PAD_PX : scale * (_PAD_PX + height), scale * _PAD_PX : scale * (_PAD_PX + width)]
    source, source_mask = around.copy(), np.zeros(around.shape[:2], np.uint8)
    is_own = _enlarge(mask.astype(np.uint8), scale)
    source[window] = np.where(is_own[..., None] > 0, _enlarge(colours, scale), source[window])
    source_mask[window] = is_own * np.uint8(255)
    left, top, box_width, box_height = cv2.boundingRect(source_mask)
    centre_xy = (left + box_width // 2, top + box_height // 2)
    cloned = cv2.seamlessClone(source, around, source_mask, centre_xy, cv2.NORMAL_CLONE)[window]
    return cv2.resize(cloned, (width, height), interpolation=cv2.INTER_AREA)


def _enlarge(array: np.ndarray, scale: int) -> np.ndarray:
    """Each pixel a square of scale x scale."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)
