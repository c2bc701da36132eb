"""extraction: generated and real canvases become cut-outs with transparency.

In:   the folders of crops and instances. Out: generated.npz and real.npz: rgba, uint8 (K, C, C, 4), the cut-out where
      it was on its canvas; box_xyxy, int64 (K, 4); number, int64 (K,), of the instance or crop.
Must not know: photos, detectors, screening.

Real crops go the same way, so that an arm that pastes them differs from one that pastes generated instances in nothing
but where the pixels come from.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError, write_image
from models.job.crops import load_crops
from models.job.generation import draw_sheet, over_black
from models.job.instances import load_instances
from models.steps.extraction import MODES, Instance, extract_instance
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step
from models.structures import check_limits

STEP: Final = "extraction"
SOURCES: Final = ("generated", "real")
SHEET_COUNT: Final = 32
SHEET_COLUMNS: Final = 8


@dataclass(frozen=True)
class ExtractionOptions:
    """How instances are cut out.

    Attributes:
        mode: box or mask (Otsu), or alpha, which crops must have and the GAN must have learned.
        min_side_px: cut-outs lower or narrower are left out.
    """

    mode: str = "mask"
    min_side_px: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "mode": (self.mode in MODES, f"one of {', '.join(MODES)}"),
            "min_side_px": (self.min_side_px >= 1, "1 or more"),
        }
        check_limits(self, limits)


@dataclass(frozen=True)
class Cutouts:
    """Cut-outs of one source.

    Attributes:
        rgba: uint8 (K, C, C, 4), straight alpha, 0 outside the cut-out.
        box_xyxy: int64 (K, 4), canvas pixels, tight.
        number: int64 (K,), of the instance or crop that each came from.
    """

    rgba: np.ndarray
    box_xyxy: np.ndarray
    number: np.ndarray

    def cut(self, index: int) -> np.ndarray:
        """One cut-out, uint8 (h, w, 4)."""
        x0, y0, x1, y1 = self.box_xyxy[index]
        return self.rgba[index, y0:y1, x0:x1]


def extract_instances(crops: Path, instances: Path, out: Path, options: ExtractionOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: nothing could be cut out, alpha is asked of images without, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        check_made_of(instances, crops=crops)
        sources = {"generated": load_instances(instances).images, "real": load_crops(crops).canvases["train"]}
        told: dict[str, Any] = {}
        for source, canvases in sources.items():
            if options.mode == "alpha" and canvases.shape[3] == 3:
                raise DataError(f"mode: alpha needs images that have it, found {source} ones of three channels")
            images = canvases if options.mode == "alpha" else over_black(canvases)
            cutouts, reasons = _extract_all(images, options.mode, options.min_side_px)
            if not len(cutouts.number):
                raise DataError(f"extraction: none of {len(images)} {source} instances stands out: {dict(reasons)}")
            np.savez_compressed(folder / f"{source}.npz", **asdict(cutouts))
            sheet = draw_sheet(cutouts.rgba[:SHEET_COUNT], SHEET_COLUMNS)
            write_image(folder / f"{source}.png", sheet)
            told[source] = {"images": len(images), "cut_out": len(cutouts.number), "left_out": dict(reasons)}
        return told

    return run_step(out, STEP, asdict(options), {"crops": crops, "instances": instances}, work)


def load_cutouts(folder: Path, source: str) -> Cutouts:
    """Open one source of the step's folder.

    Raises:
        DataError: it is not complete.
    """
    load_step(folder, STEP)
    with np.load(folder / f"{source}.npz") as saved:
        return Cutouts(saved["rgba"], saved["box_xyxy"], saved["number"])


def _extract_all(images: np.ndarray, mode: str, min_side_px: int) -> tuple[Cutouts, Counter[str]]:
    canvases, boxes, numbers, reasons = [], [], [], Counter[str]()
    for number, image in enumerate(images):
        found = extract_instance(image, mode, min_side_px=min_side_px)
        if not isinstance(found, Instance):
            reasons[found.reason] += 1
            continue
        x0, y0, x1, y1 = found.box_xyxy_canvas
        canvas = np.zeros((*image.shape[:2], 4), np.uint8)
        canvas[y0:y1, x0:x1] = found.rgba
        canvases.append(canvas)
        boxes.append(found.box_xyxy_canvas)
        numbers.append(number)
    size = images.shape[1]
    return (
        Cutouts(
            np.array(canvases, np.uint8).reshape(-1, size, size, 4),
            np.array(boxes, np.int64).reshape(-1, 4),
            np.array(numbers, np.int64),
        ),
        reasons,
    )
