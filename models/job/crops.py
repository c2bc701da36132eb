"""crops: every usable box of the class becomes one training image of the GAN.

In:   the dataset step's folder. Out: canvases_train.npy and canvases_val.npy, uint8 (N, C, C, 3 | 4), index.json: where
      each came from, and sheet.png.
Must not know: the GAN, detectors.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError, load_image, write_image
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.job.generation import draw_sheet
from models.steps.crops import InstanceCrop, choose_usable, cut_instance
from models.steps.matting import find_instance_mask
from models.steps.step_folder import StepDone, load_step, run_step
from models.structures import check_limits, rasterise_polygons

STEP: Final = "crops"
INDEX_NAME: Final = "index.json"
SPLITS: Final = ("train", "val")
"""Test photos are not cut: nothing is chosen on them."""
ALPHAS: Final[tuple[str, ...]] = ("none", "outline", "grabcut")
MIN_CROPS: Final = 16
SHEET_COUNT: Final = 64
SHEET_COLUMNS: Final = 16


@dataclass(frozen=True)
class CropsOptions:
    """How instances are cut.

    Attributes:
        canvas_px: side of a canvas.
        min_side_px: boxes lower or narrower are left out.
        min_visible_share: boxes of which less lies inside the frame are left out.
        min_aspect: boxes whose height is less than this many widths are left out; 0 takes all. Some data sets hold
            photos that lie on their side.
        margin_ratio: added on each side of a box, as a share of it.
        alpha: where transparency comes from: none (the crop with its background), outline (annotated polygons; boxes
            without are left out) or grabcut (found in the box; where it is not to be trusted the box is left out).
    """

    canvas_px: int
    min_side_px: float = 8.0
    min_visible_share: float = 0.75
    min_aspect: float = 0.0
    margin_ratio: float = 0.0
    alpha: str = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "canvas_px": (self.canvas_px >= 1, "1 or more"),
            "min_visible_share": (0 <= self.min_visible_share <= 1, "0 to 1"),
            "margin_ratio": (self.margin_ratio >= 0, "0 or more"),
            "alpha": (self.alpha in ALPHAS, f"one of {', '.join(ALPHAS)}"),
        }
        check_limits(self, limits)


@dataclass(frozen=True)
class Crops:
    """What the step left.

    Attributes:
        canvases: split to uint8 (N, C, C, 3), or (N, C, C, 4) with straight alpha.
        content_xyxy: split to int64 (N, 4): where the crop lies on its canvas.
        records: split to what is known of each: image_id, box_xyxy_photo, scale.
    """

    canvases: Mapping[str, np.ndarray]
    content_xyxy: Mapping[str, np.ndarray]
    records: Mapping[str, Sequence[Mapping[str, Any]]]


def cut_crops(dataset: Path, out: Path, options: CropsOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: too few crops to train on, an image is missing, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        index: dict[str, list[dict[str, Any]]] = {}
        all_left_out = Counter[str]()
        for split in SPLITS:
            left_out = Counter[str]()
            own = [
                (photo, box, crop)
                for photo in data.choose(split)
                for box, crop in _cut_photo(photo, data, options, left_out)
            ]
            all_left_out.update(left_out)
            if len(own) < (MIN_CROPS if split == "train" else 1):
                raise DataError(
                    f"crops: expected at least {MIN_CROPS} usable instances of {data.class_names[data.class_id]!r} in "
                    f"train and one in val, found {len(own)} in {split}{_tell(left_out)}"
                )
            canvases = np.stack([crop.canvas for _, _, crop in own])
            np.save(folder / _file_name(split), canvases)
            if split == "train":
                write_image(folder / "sheet.png", draw_sheet(canvases[:SHEET_COUNT], SHEET_COLUMNS))
            index[split] = [
                {
                    "image_id": photo.image_id,
                    "box_xyxy_photo": box.tolist(),
                    "content_xyxy_canvas": crop.content_xyxy_canvas.tolist(),
                    "scale": crop.scale,
                }
                for photo, box, crop in own
            ]
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        return {
            "class_name": data.class_names[data.class_id],
            "crops": {name: len(own) for name, own in index.items()},
            "left_out": dict(all_left_out),
        }

    return run_step(out, STEP, asdict(options), {"dataset": dataset}, work)


def load_crops(folder: Path) -> Crops:
    """Open the folder of the step.

    Raises:
        DataError: it is not complete.
    """
    load_step(folder, STEP)
    index = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    return Crops(
        {split: np.load(folder / _file_name(split)) for split in SPLITS},
        {
            split: np.array([r["content_xyxy_canvas"] for r in index[split]], np.int64).reshape(-1, 4)
            for split in SPLITS
        },
        index,
    )


def _cut_photo(
    photo: JobPhoto, data: JobData, options: CropsOptions, left_out: Counter[str]
) -> list[tuple[np.ndarray, InstanceCrop]]:
    """The usable boxes of a photo with their crops; why others are left out is counted."""
    is_own = photo.class_ids == data.class_id
    boxes = photo.boxes_xyxy[is_own]
    usable = choose_usable(
        boxes, photo.size_hw, min_side_px=options.min_side_px, min_visible_share=options.min_visible_share
    )
    left_out["small or beyond the frame"] += int((~usable).sum())
    widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
    is_low = usable & (heights < options.min_aspect * widths)
    left_out["wider than wanted"] += int(is_low.sum())
    usable &= ~is_low
    if not usable.any():
        return []
    image = load_image(photo.path)
    found = []
    for index in np.flatnonzero(usable):
        outline = photo.outlines_xy[int(np.flatnonzero(is_own)[index])]
        mask = _find_mask(image, boxes[index], outline, options.alpha)
        if isinstance(mask, str):
            left_out[mask] += 1
            continue
        crop = cut_instance(image, boxes[index], options.canvas_px, mask=mask, margin_ratio=options.margin_ratio)
        found.append((boxes[index], crop))
    return found


def _find_mask(image: np.ndarray, box: np.ndarray, outline: np.ndarray | None, alpha: str) -> np.ndarray | str | None:
    """The instance's pixels, bool (H, W); None where no alpha is wanted; or why there are none."""
    if alpha == "none":
        return None
    if alpha == "grabcut":
        return find_instance_mask(image, box)
    if outline is None:
        return "has no outline"
    mask = rasterise_polygons([outline.tolist()], image.shape[:2])
    return mask if mask.any() else "its outline covers no pixel"


def _tell(left_out: Counter[str]) -> str:
    told = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common() if count)
    return f"; left out: {told}" if told else ""


def _file_name(split: str) -> str:
    return f"canvases_{split}.npy"
