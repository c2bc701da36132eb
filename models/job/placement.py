"""placement: the places where instances will be pasted, drawn once and shared by every arm that pastes.

In:   the dataset step's folder. Out: places.json: photo of train, box and tries of each.
Must not know: instances, the GAN, detectors.

Place k depends on the seed and k alone: the first n places of a longer list are those of a shorter one, so arms and
ratios are compared on the same photos and boxes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError
from models.job.dataset import JobData, load_dataset_step
from models.steps.placement import OVERLAPS, PlacementDensity, fit_centres, fit_joint, place
from models.steps.step_folder import StepDone, load_step, run_step

STEP: Final = "placement"
PLACES_NAME: Final = "places.json"
DENSITIES: Final = ("joint", "centres")
MAX_PHOTOS: Final = 20
"""Photos that are tried for a place before the data set counts as full."""


@dataclass(frozen=True)
class PlacementOptions:
    """How places are drawn.

    Attributes:
        count: places.
        density: joint, of centre and height, which keeps perspective; or centres, as the paper, at the size of a box
            drawn from train.
        overlap: what may be at most max_overlap: iou, own_area or smaller_area.
        max_overlap: with any box already there.
        max_tries: points of the density that are tried in one photo.
        min_side_px: least width and height of a place.
        seed: of every draw.
    """

    count: int
    density: str = "joint"
    overlap: str = "iou"
    max_overlap: float = 0.1
    max_tries: int = 100
    min_side_px: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        for name, expected in (("density", DENSITIES), ("overlap", OVERLAPS)):
            if getattr(self, name) not in expected:
                raise ValueError(f"{name}: expected one of {', '.join(expected)}, found {getattr(self, name)!r}")
        if self.count < 1:
            raise ValueError(f"count: expected 1 or more, found {self.count}")


@dataclass(frozen=True)
class Place:
    """Where one instance goes.

    Attributes:
        image_id: of a train photo.
        box_xyxy_photo: int (4,), inside the frame.
    """

    image_id: str
    box_xyxy_photo: tuple[int, int, int, int]


def draw_places(dataset: Path, out: Path, options: PlacementOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: no photo has room, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        sides_hw, density = _fit(data, options)
        drawn = [_draw(data, density, sides_hw, options, number) for number in range(options.count)]
        (folder / PLACES_NAME).write_text(json.dumps([place for place, _ in drawn], indent=1) + "\n", encoding="utf-8")
        return {
            "places": len(drawn),
            "photos_given_up_per_place": round(float(np.mean([given_up for _, given_up in drawn])), 3),
        }

    return run_step(out, STEP, asdict(options), {"dataset": dataset}, work)


def load_places(folder: Path) -> Sequence[Place]:
    """Open the folder of the step.

    Raises:
        DataError: it is not complete.
    """
    load_step(folder, STEP)
    records = json.loads((folder / PLACES_NAME).read_text(encoding="utf-8"))
    return [Place(record["image_id"], tuple(record["box_xyxy_photo"])) for record in records]


def _fit(data: JobData, options: PlacementOptions) -> tuple[np.ndarray, PlacementDensity]:
    """Height and width of every train box of the class, (N, 2), and the density of where they are."""
    own = [
        (box, photo.size_hw)
        for photo in data.choose("train")
        for box in photo.boxes_xyxy[photo.class_ids == data.class_id]
    ]
    boxes, sizes_hw = np.array([box for box, _ in own]), np.array([size for _, size in own])
    fit = fit_joint if options.density == "joint" else fit_centres
    return np.rint(boxes[:, [3, 2]] - boxes[:, [1, 0]]).astype(int).clip(1), fit(boxes, sizes_hw)


def _draw(
    data: JobData, density: PlacementDensity, sides_hw: np.ndarray, options: PlacementOptions, number: int
) -> tuple[dict[str, Any], int]:
    """One place and how many photos had no room for it."""
    rng = np.random.default_rng([options.seed, number])
    photos = data.choose("train")
    for given_up in range(MAX_PHOTOS):
        photo = photos[int(rng.integers(len(photos)))]
        height, width = (int(side) for side in sides_hw[int(rng.integers(len(sides_hw)))])
        found = place(
            density,
            (height, width),
            photo.size_hw,
            photo.boxes_xyxy,
            rng,
            overlap=options.overlap,
            max_overlap=options.max_overlap,
            max_tries=options.max_tries,
            min_side_px=options.min_side_px,
        )
        if found.box_xyxy_photo is not None:
            box = [int(edge) for edge in found.box_xyxy_photo]
            return {"image_id": photo.image_id, "box_xyxy_photo": box, "tries": found.tries}, given_up
    raise DataError(f"placement: {MAX_PHOTOS} photos in a row have no room for an instance (place {number})")
