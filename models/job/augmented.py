"""augmented: photos of train with instances pasted in, as one arm of the proof wants them.

In:   the folders of dataset, placement, extraction and screening. Out: images/train and labels/train of the added
      photos, and index.json: what went where, with outlines. The repeat arm's are the places' photos, nothing pasted,
      encoded alike.
Must not know: the GAN, detectors.

Every arm takes the same places in the same order; arms differ in the cut-outs alone, and in how they are blended.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.formats.yolo_numbers import encode_box
from models.data.photos import DataError, load_image, write_image
from models.evaluation.proof.arms import (
    ARMS,
    BASELINE,
    GAN_SCREENED,
    GAN_UNSCREENED,
    REAL_CROP_PASTE,
    REPEAT,
    RGBA_BLEND,
)
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.job.extraction import STEP as EXTRACTION_STEP
from models.job.extraction import Cutouts, load_cutouts
from models.job.placement import Place, load_places
from models.job.screening import load_kept
from models.steps.blend import MODES, OPAQUE, Pasted, measure_change, paste
from models.steps.cutouts import resize_rgba
from models.steps.placement import find_covered
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step, same_input
from models.structures import check_limits
from models.structures.outlines import find_visible, to_points, trace_all

STEP: Final = "augmented"
INDEX_NAME: Final = "index.json"
SOURCE_OF: Final = {
    REAL_CROP_PASTE: "real",
    GAN_UNSCREENED: "generated",
    GAN_SCREENED: "generated",
    RGBA_BLEND: "generated",
}
CANDIDATES: Final = 8
"""Cut-outs drawn for a place; the one whose proportions fit it best is pasted."""


@dataclass(frozen=True)
class AugmentedOptions:
    """How an arm's photos are made.

    Attributes:
        arm: one of the proof's arms but the baseline, which adds nothing.
        count: photos to add, one instance each.
        blend: hard, feathered or poisson.
        match_strength: how far an instance's light and colour move to its surroundings', [0, 1].
        max_covered_share: a box of which the paste covers more is dropped from the labels.
        min_change: a paste that shows less, as measure_change of models.steps.blend has it, gives way to another
            cut-out; where all drawn for a place show less, the one that shows most stays. 0: whatever fits best. A
            white scratch on white paint would be a label of nothing.
        seed: of the choice of cut-outs.
    """

    arm: str
    count: int
    blend: str = "hard"
    match_strength: float = 0.0
    max_covered_share: float = 0.6
    min_change: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "arm": (self.arm in ARMS and self.arm != BASELINE, f"one of {', '.join(a for a in ARMS if a != BASELINE)}"),
            "count": (self.count >= 1, "1 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "blend": (self.blend in MODES, f"one of {', '.join(MODES)}"),
            "match_strength": (0 <= self.match_strength <= 1, "0 to 1"),
            "max_covered_share": (0 <= self.max_covered_share <= 1, "0 to 1"),
            "min_change": (self.min_change >= 0, "0 or more"),
        }
        check_limits(self, limits)


def paste_instances(
    dataset: Path, placement: Path, extraction: Path, screening: Path, out: Path, options: AugmentedOptions
) -> StepDone:
    """Do the step.

    Raises:
        DataError: there are fewer places than photos wanted, no cut-out is left to paste, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data, places = load_dataset_step(dataset), load_places(placement)
        check_made_of(placement, dataset=dataset)
        same_input(extraction, screening, "instances")
        if options.arm == RGBA_BLEND and (mode := load_step(extraction, EXTRACTION_STEP).options["mode"]) != "alpha":
            raise DataError(f"{options.arm}: expected cut-outs by their alpha, found {mode} in {extraction}")
        if len(places) < options.count:
            raise DataError(f"count: expected at most the {len(places)} places that were drawn, found {options.count}")
        cutouts = None if options.arm == REPEAT else _choose_cutouts(extraction, screening, options.arm)
        photos = {photo.image_id: photo for photo in data.choose("train")}
        for name in ("images", "labels"):
            (folder / name / "train").mkdir(parents=True)
        index = [
            _make_photo(number, place, photos[place.image_id], cutouts, data, folder, options)
            for number, place in enumerate(places[: options.count])
        ]
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
        hidden = sum(record["hidden"] for record in index)
        return {"arm": options.arm, "photos": len(index), "boxes_hidden": hidden}

    inputs = {"dataset": dataset, "placement": placement, "extraction": extraction, "screening": screening}
    return run_step(out, STEP, asdict(options), inputs, work)


def load_augmented(folder: Path) -> Sequence[Mapping[str, Any]]:
    """Open the folder of the step.

    Returns:
        One record an added photo: image_id, source (the photo) and hidden (boxes no longer labelled). Of its paste:
        instance, box_xyxy_photo, blend, change (as min_change has it), outlines_xy_photo that filled give its mask
        back, and area_px2 of that mask; the repeat arm has none of these. In objects what was there before and still
        shows: class_id, box_xyxy_photo, is_labelled and outlines_xy_photo, cut back to what is left, no outline where
        only the box is known.

    Raises:
        DataError: the step is not complete.
    """
    load_step(folder, STEP)
    return json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))


def _choose_cutouts(extraction: Path, screening: Path, arm: str) -> Cutouts:
    """The cut-outs an arm may paste: real ones, all generated ones, or those that the screening kept."""
    cutouts = load_cutouts(extraction, SOURCE_OF[arm])
    if arm in (GAN_SCREENED, RGBA_BLEND):
        is_kept = np.isin(cutouts.number, load_kept(screening))
        cutouts = Cutouts(cutouts.rgba[is_kept], cutouts.box_xyxy[is_kept], cutouts.number[is_kept])
    if not len(cutouts.number):
        raise DataError(f"{arm}: no cut-out is left to paste")
    return cutouts


def _make_photo(
    number: int,
    place: Place,
    photo: JobPhoto,
    cutouts: Cutouts | None,
    data: JobData,
    folder: Path,
    options: AugmentedOptions,
) -> dict[str, Any]:
    """Write one added photo and its labels."""
    image, boxes, class_ids = load_image(photo.path), photo.boxes_xyxy, photo.class_ids
    name = f"{options.arm}-{number:06d}"
    record: dict[str, Any] = {"image_id": f"{name}.jpg", "source": photo.image_id, "hidden": 0}
    mask, visible, is_hidden = np.zeros(photo.size_hw, bool), boxes, np.zeros(len(boxes), bool)
    if cutouts is not None:
        rng = np.random.default_rng([options.seed, number])
        chosen, pasted, change = _paste_one(image, place, cutouts, rng, options)
        covered = find_covered(boxes, pasted.mask, max_covered_share=options.max_covered_share)
        image, mask = pasted.photo, pasted.mask
        visible, is_hidden = covered.visible_xyxy_photo, covered.is_hidden
        boxes = np.concatenate([covered.visible_xyxy_photo[~covered.is_hidden], [pasted.box_xyxy_photo]])
        class_ids = np.append(class_ids[~covered.is_hidden], data.class_id)
        record |= {
            "instance": int(cutouts.number[chosen]),
            "box_xyxy_photo": [int(edge) for edge in pasted.box_xyxy_photo],
            "blend": pasted.mode,
            "change": round(change, 2),
            "hidden": int(covered.is_hidden.sum()),
            "outlines_xy_photo": to_points(trace_all(mask)),
            "area_px2": int(mask.sum()),
        }
    record["objects"] = _find_objects(photo, mask, visible, is_hidden)
    write_image(folder / "images" / "train" / record["image_id"], image)
    size_wh = (photo.size_hw[1], photo.size_hw[0])
    lines = [f"{k} {encode_box(tuple(map(float, box)), size_wh)}\n" for k, box in zip(class_ids, boxes, strict=True)]
    (folder / "labels" / "train" / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    return record


def _find_objects(
    photo: JobPhoto, pasted: np.ndarray, visible_xyxy: np.ndarray, is_hidden: np.ndarray
) -> list[dict[str, Any]]:
    """What was there before the paste, as far as it still shows."""
    objects = []
    for class_id, own, box, hidden in zip(photo.class_ids, photo.outlines_xy, visible_xyxy, is_hidden, strict=True):
        outlines = [] if own is None else find_visible(own, pasted)
        if outlines or (own is None and not hidden):
            objects.append(
                {
                    "class_id": int(class_id),
                    "box_xyxy_photo": [float(edge) for edge in box],
                    "is_labelled": not hidden,
                    "outlines_xy_photo": to_points(outlines),
                }
            )
    return objects


def _paste_one(
    image: np.ndarray, place: Place, cutouts: Cutouts, rng: np.random.Generator, options: AugmentedOptions
) -> tuple[int, Pasted, float]:
    """The cut-out that fits a place best among those that show enough, or shows most; its paste, and how much it shows.

    Raises:
        DataError: at the place's size none of those drawn has an opaque pixel.
    """
    found: tuple[int, Pasted, float] | None = None
    for chosen in _order_by_fit(cutouts, place, rng):
        box = np.array(place.box_xyxy_photo, np.int64)
        pasted = paste(image, cutouts.cut(chosen), box, options.blend, match_strength=options.match_strength)
        change = measure_change(image, pasted)
        if found is None or change > found[2]:
            found = chosen, pasted, change
        if change >= options.min_change:
            break
    if found is None:
        x0, y0, x1, y1 = place.box_xyxy_photo
        raise DataError(f"{place.image_id}: {CANDIDATES} cut-outs in a row vanish at {x1 - x0} x {y1 - y0} pixels")
    return found


def _order_by_fit(cutouts: Cutouts, place: Place, rng: np.random.Generator) -> Iterator[int]:
    """A few cut-outs drawn at random that do not vanish; first the one whose proportions fit the place best."""
    drawn = rng.integers(len(cutouts.number), size=CANDIDATES)
    x0, y0, x1, y1 = place.box_xyxy_photo
    left, top, right, bottom = cutouts.box_xyxy[drawn].T
    off = np.abs(np.log((bottom - top) / (right - left)) - np.log((y1 - y0) / (x1 - x0)))
    for chosen in drawn[np.argsort(off, kind="stable")]:
        if (resize_rgba(cutouts.cut(int(chosen)), (y1 - y0, x1 - x0))[..., 3] >= OPAQUE).any():
            yield int(chosen)
