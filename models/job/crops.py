"""crops: every usable box of the class becomes one training image of the GAN.

In:   the dataset step's folder. Out: canvases_train.npy and canvases_val.npy, uint8 (N, C, C, 3), and index.json: where
      each came from.
Must not know: the GAN, detectors.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError, load_image
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.steps.crops import InstanceCrop, choose_usable, cut_instance
from models.steps.step_folder import StepDone, load_step, run_step

STEP: Final = "crops"
INDEX_NAME: Final = "index.json"
SPLITS: Final = ("train", "val")
"""Test photos are not cut: nothing is chosen on them."""
MIN_CROPS: Final = 16


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
    """

    canvas_px: int
    min_side_px: float = 8.0
    min_visible_share: float = 0.75
    min_aspect: float = 0.0
    margin_ratio: float = 0.0


@dataclass(frozen=True)
class Crops:
    """What the step left.

    Attributes:
        canvases: split to uint8 (N, C, C, 3).
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
        for split in SPLITS:
            own = [(photo, box, crop) for photo in data.choose(split) for box, crop in _cut_photo(photo, data, options)]
            if len(own) < (MIN_CROPS if split == "train" else 1):
                raise DataError(
                    f"crops: expected at least {MIN_CROPS} usable instances of {data.class_names[data.class_id]!r} in "
                    f"train and one in val, found {len(own)} in {split}"
                )
            np.save(folder / _file_name(split), np.stack([crop.canvas for _, _, crop in own]))
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
        return {"class_name": data.class_names[data.class_id], "crops": {name: len(own) for name, own in index.items()}}

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


def _cut_photo(photo: JobPhoto, data: JobData, options: CropsOptions) -> list[tuple[np.ndarray, InstanceCrop]]:
    boxes = photo.boxes_xyxy[photo.class_ids == data.class_id]
    usable = choose_usable(
        boxes, photo.size_hw, min_side_px=options.min_side_px, min_visible_share=options.min_visible_share
    )
    widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
    usable &= heights >= options.min_aspect * widths
    if not usable.any():
        return []
    image = load_image(photo.path)
    return [
        (box, cut_instance(image, box, options.canvas_px, margin_ratio=options.margin_ratio)) for box in boxes[usable]
    ]


def _file_name(split: str) -> str:
    return f"canvases_{split}.npy"
