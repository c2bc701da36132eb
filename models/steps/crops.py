"""crops: each usable box of a photo becomes one training image of the GAN, centred on a black canvas.

In:   image, uint8 (H, W, 3) RGB; boxes, float (N, 4), xyxy, photo frame. Out: one InstanceCrop a box.
Must not know: files, annotation formats, the GAN.

Source: SEEDS A2: the box's crop, unscaled, on a zero canvas. Here: the canvas size is a parameter; a crop that is
larger is shrunk to fit and remembers by how much.
"""

from dataclasses import dataclass

import numpy as np

from models.steps.cutouts import resize_rgba
from models.structures import ContractError, box_area_px2, check_array, check_image, clip_boxes_xyxy, shrink_to_fit


@dataclass(frozen=True)
class InstanceCrop:
    """One instance as the GAN sees it.

    Attributes:
        canvas: uint8 (C, C, 3) RGB, 0 outside the content; with a mask (C, C, 4), colour and alpha 0 outside it.
        content_xyxy_canvas: int64 (4,), where the crop lies on the canvas.
        window_xyxy_photo: int64 (4,), what was cut: the box with its margin, at whole pixels, inside the frame.
        box_wh_photo: the box's own width and height as annotated, photo pixels: the size a paste restores.
        scale: canvas pixels a photo pixel; 1.0 = unscaled, never more.
    """

    canvas: np.ndarray
    content_xyxy_canvas: np.ndarray
    window_xyxy_photo: np.ndarray
    box_wh_photo: tuple[float, float]
    scale: float


def choose_usable(
    boxes_xyxy_photo: np.ndarray,
    size_hw: tuple[int, int],
    *,
    min_side_px: float = 8.0,
    min_visible_share: float = 0.75,
    occluders_xyxy_photo: np.ndarray | None = None,
) -> np.ndarray:
    """Tell which boxes are large and visible enough to learn from.

    Args:
        boxes_xyxy_photo: float (N, 4), may reach out of the frame.
        size_hw: of the photo.
        min_side_px: least width and height of the part inside the frame.
        min_visible_share: least share of a box's area that is inside the frame and outside any single occluder, [0, 1].
        occluders_xyxy_photo: float (M, 4), boxes known to stand in front; none by default, because a person's box
            inside a forklift's is mostly the driver, in full view.

    Returns:
        bool (N,).

    Raises:
        ContractError: boxes of another shape or not finite.
    """
    boxes = _check_boxes("boxes_xyxy_photo", boxes_xyxy_photo)
    inside = clip_boxes_xyxy(boxes, size_hw)
    sides = np.clip(inside[:, 2:] - inside[:, :2], 0, None)  # (N, 2)
    visible = box_area_px2(inside)
    if occluders_xyxy_photo is not None and len(occluders_xyxy_photo):
        occluders = _check_boxes("occluders_xyxy_photo", occluders_xyxy_photo)
        low = np.maximum(inside[:, None, :2], occluders[None, :, :2])  # (N, M, 2)
        high = np.minimum(inside[:, None, 2:], occluders[None, :, 2:])
        visible = visible - np.prod(np.clip(high - low, 0, None), axis=-1).max(axis=1)
    whole = box_area_px2(boxes)
    shares = np.divide(visible, whole, out=np.zeros_like(whole), where=whole > 0)
    return (sides >= min_side_px).all(axis=1) & (sides > 0).all(axis=1) & (shares >= min_visible_share)


def cut_instance(
    image: np.ndarray,
    box_xyxy_photo: np.ndarray,
    canvas_px: int,
    *,
    mask: np.ndarray | None = None,
    margin_ratio: float = 0.0,
) -> InstanceCrop:
    """Cut a box out and centre it on a black canvas.

    Args:
        image: uint8 (H, W, 3) RGB.
        box_xyxy_photo: float (4,); edges are rounded to whole pixels, half to even, and cut at the frame.
        canvas_px: side of the canvas.
        mask: bool (H, W), the instance's pixels; makes the canvas RGBA.
        margin_ratio: what is cut around the box, as a share of its sides, each side.

    Returns:
        The crop, pixel by pixel as in the photo where it fits; else shrunk, both axes alike, averaged over areas. Where
        it cannot lie exactly in the middle, the spare row is below and the spare column on the right.

    Raises:
        ContractError: arrays of another shape or dtype, a box without a pixel inside the frame, canvas_px below 1, a
            negative margin.
    """
    check_image("image", image)
    box = _check_boxes("box_xyxy_photo", np.asarray(box_xyxy_photo, np.float64)[None])[0]
    if canvas_px < 1 or margin_ratio < 0:
        raise ContractError(
            f"canvas_px, margin_ratio: expected 1 or more and 0 or more, found {canvas_px}, {margin_ratio}"
        )
    size_hw = image.shape[:2]
    side_wh = box[2:] - box[:2]
    grown = box + margin_ratio * np.concatenate([-side_wh, side_wh])
    window = np.rint(clip_boxes_xyxy(grown, size_hw)).astype(np.int64)
    x0, y0, x1, y1 = (int(edge) for edge in window)
    if x1 <= x0 or y1 <= y0:
        raise ContractError(f"box_xyxy_photo: expected pixels inside {size_hw} (H, W), found {box.tolist()}")
    content = image[y0:y1, x0:x1]
    if mask is not None:
        check_array("mask", mask, size_hw, np.bool_)
        alpha = mask[y0:y1, x0:x1, None]
        content = np.concatenate([content * alpha, alpha * np.uint8(255)], axis=-1)
    shrunk = _shrink(content, canvas_px)
    height, width = shrunk.shape[:2]
    left, top = (canvas_px - width) // 2, (canvas_px - height) // 2
    canvas = np.zeros((canvas_px, canvas_px, shrunk.shape[2]), np.uint8)
    canvas[top : top + height, left : left + width] = shrunk
    return InstanceCrop(
        canvas,
        np.array([left, top, left + width, top + height], np.int64),
        window,
        (float(side_wh[0]), float(side_wh[1])),
        min(1.0, canvas_px / max(y1 - y0, x1 - x0)),
    )


def _shrink(content: np.ndarray, canvas_px: int) -> np.ndarray:
    if content.shape[2] == 3:
        return shrink_to_fit(content, (canvas_px, canvas_px))
    height, width = content.shape[:2]
    scale = min(1.0, canvas_px / max(height, width))
    return resize_rgba(content, (max(round(height * scale), 1), max(round(width * scale), 1)))


def _check_boxes(name: str, boxes_xyxy: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes_xyxy, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ContractError(f"{name}: expected shape (any, 4), found {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise ContractError(f"{name}: expected finite edges, found NaN or infinity")
    return boxes
