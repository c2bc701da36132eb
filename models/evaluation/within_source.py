"""A sample for the gate whose kinds share their source: windows of the same photos, with and without damage.

Damaged and undamaged photos from different collections differ in size, JPEG quality and scenery; a gate may tell the
collections apart instead of the damage. Here both kinds come from the same damaged photos, at the same size; windows of
undamaged photos join the negatives; all are resized and compressed alike.

In:   annotated photos, the part of each that serving looks at. Out: windows, and their pixels on demand.
Must not know: any network, scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np

from models.data.photos import AnnotatedPhoto, load_ignored, load_masks
from models.structures import ContractError, CropWindow, check_image

SIZE_PX: Final = 512
JPEG_QUALITY: Final = 75
SIDE_SHARES: Final = (0.6, 0.45, 0.3)
"""Sides of windows, as shares of the shorter side of what serving looks at; the largest that fits both kinds."""
SOUND_MARGIN_PX: Final = 4
"""A window without damage keeps this far from any annotated pixel."""
MIN_REGION_SHARE: Final = 0.5
MIN_WINDOW_SHARE: Final = 0.25
_PLACES: Final = 12

WindowKind = Literal["damage", "sound", "undamaged_photo"]


@dataclass(frozen=True)
class GateWindow:
    """One window to be scored.

    Attributes:
        photo: what it is cut from.
        window: square, photo frame.
        kind: "damage" and "sound" come in pairs from one damaged photo.
    """

    photo: AnnotatedPhoto
    window: CropWindow
    kind: WindowKind


def build_within_source_windows(
    photos: Sequence[AnnotatedPhoto], bounds: Sequence[CropWindow], *, seed: int
) -> list[GateWindow]:
    """Choose windows: of each damaged photo one pair or none, of each undamaged photo one.

    A window shows damage if it holds MIN_REGION_SHARE of a region, or a region fills MIN_WINDOW_SHARE of it. Damage of
    no class of ours is avoided by sound windows and sought by none.

    Args:
        photos: damaged ones whose regions are known, and undamaged ones; others are passed over.
        bounds: of each photo, what serving looks at; windows stay inside.
        seed: with a photo's folder and image_id decides its windows, whatever other photos there are.

    Returns:
        Windows in the order of the photos.
    """
    windows: list[GateWindow] = []
    for photo, bound in zip(photos, bounds, strict=True):
        rng = np.random.default_rng([seed, *f"{photo.folder}/{photo.image_id}".encode()])
        if photo.damage_level == 0:
            side = _side(bound, float(rng.choice(SIDE_SHARES)))
            windows.append(GateWindow(photo, _place(bound, side, rng), "undamaged_photo"))
        elif photo.polygons:
            pair = choose_pair(load_masks(photo), load_ignored(photo), bound, rng)
            if pair:
                windows += [GateWindow(photo, pair[0], "damage"), GateWindow(photo, pair[1], "sound")]
    return windows


def choose_pair(
    gt_masks: np.ndarray, ignored: np.ndarray, bound: CropWindow, rng: np.random.Generator
) -> tuple[CropWindow, CropWindow] | None:
    """Choose two windows of one size, the first with damage, the second without.

    Args:
        gt_masks: bool (3, H, W), photo frame.
        ignored: bool (H, W), other damage.
        bound: where windows may lie.
        rng: decides among the places that fit.

    Returns:
        The largest pair that fits; None if there is none.
    """
    anything = (gt_masks.any(axis=0) | ignored).astype(np.uint8)
    kernel = np.ones((2 * SOUND_MARGIN_PX + 1,) * 2, np.uint8)
    damage_sums = cv2.integral(cv2.dilate(anything, kernel))
    shown = gt_masks.any(axis=0).astype(np.uint8)
    shown_sums = cv2.integral(shown)
    _, labels = cv2.connectedComponents(shown, connectivity=8)
    sizes_px2 = np.bincount(labels.ravel())[1:]
    for share in SIDE_SHARES:
        side = _side(bound, share)
        places = _grid(bound, side)
        sound = [w for w in places if _sum_inside(damage_sums, w) == 0]
        damaged = [w for w in places if sound and _sum_inside(shown_sums, w) and _shows_damage(labels, sizes_px2, w)]
        if damaged:
            return damaged[int(rng.integers(len(damaged)))], sound[int(rng.integers(len(sound)))]
    return None


def cut_alike(image: np.ndarray, window: CropWindow) -> np.ndarray:
    """Cut a window out, resize it to SIZE_PX and pass it through a JPEG of JPEG_QUALITY.

    Args:
        image: uint8 (H, W, 3) RGB, photo frame.
        window: inside the photo.

    Returns:
        uint8 (SIZE_PX, SIZE_PX, 3) RGB.
    """
    check_image("image", image)
    cut = window.cut(image)
    interpolation = cv2.INTER_AREA if min(cut.shape[:2]) > SIZE_PX else cv2.INTER_LINEAR
    resized = cv2.resize(cut, (SIZE_PX, SIZE_PX), interpolation=interpolation)
    is_encoded, encoded = cv2.imencode(".jpg", resized[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not is_encoded:
        raise ContractError(f"image: expected one that JPEG can hold, found shape {resized.shape}")
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)


def share_of_pairs_in_order(windows: Sequence[GateWindow], scores: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Compare the two windows of each pair.

    Args:
        windows: as build_within_source_windows orders them.
        scores: float (N,), one a window.

    Returns:
        float64 (P,), 1 where the window with damage scores higher, 0.5 where both score the same; the pairs' groups.
    """
    kinds = np.array([w.kind for w in windows])
    damage, sound = scores[kinds == "damage"], scores[kinds == "sound"]
    in_order = (damage > sound) + 0.5 * (damage == sound)
    return in_order, [group_of(w.photo) for w in windows if w.kind == "damage"]


def group_of(photo: AnnotatedPhoto) -> str:
    """The car that a photo shows, told apart from cars of other folders."""
    return f"{photo.folder}/{photo.group}"


def _side(bound: CropWindow, share: float) -> int:
    return max(round(min(bound.size_hw) * share), 1)


def _place(bound: CropWindow, side: int, rng: np.random.Generator) -> CropWindow:
    height, width = bound.size_hw
    x0 = bound.x0 + int(rng.integers(width - side + 1))
    y0 = bound.y0 + int(rng.integers(height - side + 1))
    return CropWindow(x0, y0, x0 + side, y0 + side)


def _grid(bound: CropWindow, side: int) -> list[CropWindow]:
    """Up to _PLACES x _PLACES windows, spread evenly."""
    xs = np.unique(np.linspace(bound.x0, bound.x1 - side, _PLACES).round().astype(int))
    ys = np.unique(np.linspace(bound.y0, bound.y1 - side, _PLACES).round().astype(int))
    return [CropWindow(int(x), int(y), int(x) + side, int(y) + side) for y in ys for x in xs]


def _sum_inside(sums: np.ndarray, window: CropWindow) -> int:
    x0, y0, x1, y1 = window.xyxy
    return int(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0])


def _shows_damage(labels: np.ndarray, sizes_px2: np.ndarray, window: CropWindow) -> bool:
    """Does a window hold enough of a region? labels, int (H, W), number the regions from 1; sizes_px2, int (R,)."""
    inside = np.bincount(window.cut(labels).ravel(), minlength=len(sizes_px2) + 1)[1:]
    height, width = window.size_hw
    is_mostly_inside = (inside > 0) & (inside >= MIN_REGION_SHARE * sizes_px2)
    return bool((is_mostly_inside | (inside >= MIN_WINDOW_SHARE * height * width)).any())
