"""placement: an instance gets a place in a photo where such instances stand, clear of what is already there.

In:   boxes of real instances, float (N, 4), xyxy, photo frame; the size of the instance to place. Out: a box, or none.
Must not know: pixels of photos and instances, files.

Source: SEEDS A8 to A10. Kernel density: Scott 1992, Multivariate Density Estimation, section 6.5 (bandwidth).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import gaussian_kde

from models.structures import ContractError, box_area_px2, check_array, clip_boxes_xyxy, pairwise_iou_xyxy

OVERLAPS: Final[tuple[str, ...]] = ("iou", "own_area", "smaller_area")
_JITTER: Final = 0.01  # of the frame
_MIN_SPREAD: Final = 1e-3  # least standard deviation in any direction for a density without jitter


@dataclass(frozen=True)
class PlacementDensity:
    """Where, and if it was fitted jointly how high, real instances are.

    Attributes:
        kde: over (x, y) or (x, y, h): the box's centre and height as shares of the photo's width and height.
        has_height: whether it knows h.
    """

    kde: gaussian_kde
    has_height: bool

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw points, float64 (count, 2 or 3); some lie outside the frame."""
        return self.kde.resample(count, seed=rng).T

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Density, float64 (M,), at points, float (M, 2 or 3)."""
        return self.kde(np.asarray(points, np.float64).T)


@dataclass(frozen=True)
class Placement:
    """Where an instance may be pasted.

    Attributes:
        box_xyxy_photo: int64 (4,), inside the frame; None if no try succeeded.
        tries: points looked at, the one that was taken included.
        out_of_frame: tries whose box left the frame or what is allowed, or was too small.
        overlapping: tries whose box overlapped another too much.
    """

    box_xyxy_photo: np.ndarray | None
    tries: int
    out_of_frame: int
    overlapping: int


def fit_centres(boxes_xyxy: np.ndarray, sizes_hw: np.ndarray) -> PlacementDensity:
    """Estimate the density of box centres by Gaussian kernels, Scott's bandwidth.

    Boxes too few or too alike for a density (all on one line) are each replaced by points 1 % of the frame to either
    side along every axis.

    Args:
        boxes_xyxy: float (N, 4), N >= 1, each in its photo's frame.
        sizes_hw: (N, 2), height and width of each box's photo.

    Raises:
        ContractError: no box, arrays of another shape, values that are not finite, an empty photo.
    """
    return PlacementDensity(_fit(_normalise(boxes_xyxy, sizes_hw)[:, :2]), False)


def fit_joint(boxes_xyxy: np.ndarray, sizes_hw: np.ndarray) -> PlacementDensity:
    """Estimate the joint density of box centres and heights, which keeps perspective; otherwise as fit_centres."""
    return PlacementDensity(_fit(_normalise(boxes_xyxy, sizes_hw)), True)


def place(
    density: PlacementDensity,
    instance_hw: tuple[int, int],
    size_hw: tuple[int, int],
    boxes_xyxy_photo: np.ndarray,
    rng: np.random.Generator,
    *,
    overlap: str = "iou",
    max_overlap: float = 0.1,
    max_tries: int = 100,
    min_side_px: int = 4,
    frame_xyxy_photo: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    min_allowed_share: float = 1.0,
) -> Placement:
    """Find a place by trying points of the density.

    Args:
        density: by fit_centres, which keeps the instance's size, or fit_joint, which scales it to the drawn height.
        instance_hw: height and width of the instance, photo pixels.
        size_hw: of the photo.
        boxes_xyxy_photo: float (M, 4), every box there, earlier inserts included.
        rng: consumed, always by max_tries points.
        overlap: what counts: "iou"; "own_area": the intersection's share of the new box, so that a small instance in
            front of a large one counts; "smaller_area": its share of the smaller box, so that one hidden behind counts
            too.
        max_overlap: greatest overlap with any box, equal included, [0, 1].
        max_tries: points to try.
        min_side_px: least width and height of the new box.
        frame_xyxy_photo: float (4,), the box that the density's shares are of; None: the whole photo.
        allowed: bool (H, W), where an instance may stand; None: everywhere.
        min_allowed_share: of the new box's pixels, this share at least is allowed, [0, 1].

    Raises:
        ContractError: unknown overlap, a number out of range, or an array of another shape or dtype.
    """
    if overlap not in OVERLAPS:
        raise ContractError(f"overlap: expected one of {', '.join(OVERLAPS)}, found {overlap!r}")
    if min(*instance_hw, *size_hw, max_tries, min_side_px) < 1 or not 0 <= max_overlap <= 1:
        raise ContractError(
            "instance_hw, size_hw, max_tries, min_side_px: expected 1 or more; max_overlap: [0, 1]; "
            f"found {instance_hw}, {size_hw}, {max_tries}, {min_side_px}; {max_overlap}"
        )
    points = density.sample(max_tries, rng)  # (T, 2 or 3)
    (height, width), photo_wh = instance_hw, np.array([size_hw[1], size_hw[0]])
    frame = np.asarray((0, 0, *photo_wh) if frame_xyxy_photo is None else frame_xyxy_photo, np.float64)
    frame_wh = frame[2:] - frame[:2]
    sides_wh = np.tile(np.array([width, height], np.int64), (max_tries, 1))  # (T, 2)
    if density.has_height:
        heights = np.clip(points[:, 2], 0, 2) * frame_wh[1]
        sides_wh = np.rint(np.stack([heights * width / height, heights], axis=1)).astype(np.int64)
    low = np.rint(np.clip(points[:, :2], -2, 3) * frame_wh + frame[:2] - sides_wh / 2).astype(np.int64)
    boxes = np.concatenate([low, low + sides_wh], axis=1)  # (T, 4)
    is_inside = (low >= 0).all(axis=1) & (boxes[:, 2:] <= photo_wh).all(axis=1) & (sides_wh >= min_side_px).all(axis=1)
    if allowed is not None:
        check_array("allowed", allowed, size_hw, np.bool_)
        is_inside &= measure_shares(allowed, boxes) >= min_allowed_share
    others = np.asarray(boxes_xyxy_photo, np.float64).reshape(-1, 4)
    is_clear = (measure_overlap(boxes, others, overlap) <= max_overlap).all(axis=1)
    taken = np.flatnonzero(is_inside & is_clear)
    tries = int(taken[0]) + 1 if len(taken) else max_tries
    return Placement(
        boxes[taken[0]] if len(taken) else None,
        tries,
        int((~is_inside[:tries]).sum()),
        int((is_inside & ~is_clear)[:tries].sum()),
    )


def measure_overlap(boxes_xyxy: np.ndarray, others_xyxy: np.ndarray, overlap: str = "iou") -> np.ndarray:
    """Overlap of new boxes with others.

    Args:
        boxes_xyxy: (T, 4), of new instances.
        others_xyxy: (M, 4), same frame.
        overlap: one of OVERLAPS.

    Returns:
        float64 (T, M), [0, 1]; 0 with an empty box.
    """
    if overlap == "iou":
        return pairwise_iou_xyxy(boxes_xyxy, others_xyxy)
    boxes, others = np.asarray(boxes_xyxy, np.float64), np.asarray(others_xyxy, np.float64)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])  # (T, M, 2)
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)  # (T, M)
    area = np.broadcast_to(box_area_px2(boxes)[:, None], intersection.shape)
    if overlap == "smaller_area":
        area = np.minimum(area, box_area_px2(others)[None, :])
    return np.divide(intersection, area, out=np.zeros_like(intersection), where=area > 0)


def measure_shares(mask: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """Tell how much of each box a mask fills.

    Args:
        mask: bool (H, W).
        boxes_xyxy: int (T, 4), any frame position: what lies outside the mask's frame is not filled.

    Returns:
        float64 (T,), [0, 1]; 0 of an empty box.
    """
    sums = np.pad(mask.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))  # sums[y, x]: above and left
    height, width = mask.shape
    x0, x1 = (np.clip(boxes_xyxy[:, edge], 0, width) for edge in (0, 2))
    y0, y1 = (np.clip(boxes_xyxy[:, edge], 0, height) for edge in (1, 3))
    filled = (sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]).astype(np.float64)
    area = box_area_px2(np.asarray(boxes_xyxy, np.float64))
    return np.divide(filled, area, out=np.zeros_like(filled), where=area > 0)


@dataclass(frozen=True)
class CoveredBoxes:
    """What a paste leaves of the boxes that were there.

    Attributes:
        covered_shares: float64 (M,), share of each box's pixels under the paste, [0, 1].
        is_hidden: bool (M,), covered by more than allowed: to be dropped.
        visible_xyxy_photo: float64 (M, 4), each box cut back to its pixels that still show; as it was where the paste
            hides no whole side of it, and where nothing shows.
    """

    covered_shares: np.ndarray
    is_hidden: np.ndarray
    visible_xyxy_photo: np.ndarray


def find_covered(boxes_xyxy_photo: np.ndarray, pasted: np.ndarray, *, max_covered_share: float = 0.6) -> CoveredBoxes:
    """Tell what a paste hides.

    Args:
        boxes_xyxy_photo: float (M, 4), boxes from before the paste, of any class, part classes included.
        pasted: bool (H, W), True = a pixel of the paste.
        max_covered_share: a box covered by more is hidden, [0, 1].

    Raises:
        ContractError: arrays of another shape or dtype.
    """
    check_array("pasted", pasted, (None, None), np.bool_)
    boxes = np.array(boxes_xyxy_photo, np.float64).reshape(-1, 4)
    shares = np.zeros(len(boxes))
    pixel_boxes = np.rint(clip_boxes_xyxy(boxes, pasted.shape)).astype(np.int64)
    for index, edges in enumerate(pixel_boxes):
        x0, y0, x1, y1 = (int(edge) for edge in edges)
        is_visible = ~pasted[y0:y1, x0:x1]
        if not is_visible.size:
            continue
        shares[index] = 1 - is_visible.mean()
        columns, rows = np.flatnonzero(is_visible.any(axis=0)), np.flatnonzero(is_visible.any(axis=1))
        if len(columns):
            cut = np.array([x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1])
            boxes[index] = np.where(cut == edges, boxes[index], cut)
    return CoveredBoxes(shares, shares > max_covered_share, boxes)


def carry_parts(part_boxes_xyxy: np.ndarray, from_xyxy: np.ndarray, to_xyxy: np.ndarray) -> np.ndarray:
    """Take the part boxes of an instance (face, upper body …) along to where it is pasted.

    A generated instance has no part boxes: there to_xyxy itself is the region that part classes have to ignore.

    Args:
        part_boxes_xyxy: float (P, 4), frame of from_xyxy.
        from_xyxy: float (4,), the instance's box where it was cut, with pixels.
        to_xyxy: float (4,), its box where it is pasted.

    Returns:
        float64 (P, 4), frame of to_xyxy, cut at that box; a part that lay outside has no area.

    Raises:
        ContractError: from_xyxy without area.
    """
    source, target = np.asarray(from_xyxy, np.float64), np.asarray(to_xyxy, np.float64)
    if not (source[2:] > source[:2]).all():
        raise ContractError(f"from_xyxy: expected a box with area, found {source.tolist()}")
    ratio = (target[2:] - target[:2]) / (source[2:] - source[:2])
    parts = np.asarray(part_boxes_xyxy, np.float64).reshape(-1, 4)
    carried = (parts - np.tile(source[:2], 2)) * np.tile(ratio, 2) + np.tile(target[:2], 2)
    return np.clip(carried, np.tile(target[:2], 2), np.tile(target[2:], 2))


def _normalise(boxes_xyxy: np.ndarray, sizes_hw: np.ndarray) -> np.ndarray:
    """Centre and height of each box as shares of its photo; float64 (N, 3)."""
    boxes, sizes = np.asarray(boxes_xyxy, np.float64), np.asarray(sizes_hw, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes) or sizes.shape != (len(boxes), 2):
        raise ContractError(
            f"boxes_xyxy, sizes_hw: expected shapes (N, 4) and (N, 2), N >= 1, found {boxes.shape} and {sizes.shape}"
        )
    if not (np.isfinite(boxes).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ContractError("boxes_xyxy, sizes_hw: expected finite boxes and sizes above 0")
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / sizes[:, ::-1]
    return np.column_stack([centres, (boxes[:, 3] - boxes[:, 1]) / sizes[:, 0]])


def _fit(points: np.ndarray) -> gaussian_kde:
    """Density of points (N, D); of jittered ones where the points span fewer than D dimensions."""
    axes = points.shape[1]
    if len(points) > axes:
        spread = np.sqrt(max(float(np.linalg.eigvalsh(np.cov(points.T))[0]), 0.0))
        if spread >= _MIN_SPREAD:
            return gaussian_kde(points.T, bw_method="scott")
    offsets = _JITTER * np.concatenate([np.eye(axes), -np.eye(axes)])  # (2D, D)
    return gaussian_kde((points[:, None] + offsets).reshape(-1, axes).T, bw_method="scott")
