"""placement: the places where instances will be pasted, drawn once and shared by every arm that pastes.

In:   the dataset step's folder. Out: places.json: photo of train, box and tries of each.
Must not know: instances, the GAN, detectors.

Place k depends on the seed and k alone: the first n places of a longer list are those of a shorter one, so arms and
ratios are compared on the same photos and boxes. With a class to stay within, such as the car that a scratch is on,
where and how large instances are is learnt and drawn as shares of the largest object of that class in a photo; a photo
without one lends its own edges to what is learnt, as close-ups do, and gets no instance.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.steps.placement import OVERLAPS, PlacementDensity, fit_centres, fit_joint, place
from models.steps.step_folder import StepDone, load_step, run_step
from models.structures import box_area_px2, check_limits, rasterise_polygons

STEP: Final = "placement"
PLACES_NAME: Final = "places.json"
DENSITIES: Final = ("joint", "centres")
ONTO: Final = ("any", "without")
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
        onto: photos that get instances: any of train, or those without an instance of the class (undamaged ones, where
            the class is damage).
        within: class of the object an instance must lie on, or None; photos without such an object get none.
        surfaces: with within, classes of the parts of it that an instance must lie on (panels, not wheels and windows);
            none: on any of it.
        min_within_share: of a place that lies inside the object and on such parts: inside their outlines, or inside
            their boxes where no outline is known.
        seed: of every draw.
    """

    count: int
    density: str = "joint"
    overlap: str = "iou"
    max_overlap: float = 0.1
    max_tries: int = 100
    min_side_px: int = 8
    onto: str = "any"
    within: str | None = None
    surfaces: tuple[str, ...] = ()
    min_within_share: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        limits = {
            "count": (self.count >= 1, "1 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "density": (self.density in DENSITIES, f"one of {', '.join(DENSITIES)}"),
            "overlap": (self.overlap in OVERLAPS, f"one of {', '.join(OVERLAPS)}"),
            "max_overlap": (0 <= self.max_overlap <= 1, "0 to 1"),
            "max_tries": (self.max_tries >= 1, "1 or more"),
            "min_side_px": (self.min_side_px >= 1, "1 or more"),
            "onto": (self.onto in ONTO, f"one of {', '.join(ONTO)}"),
            "min_within_share": (0 < self.min_within_share <= 1, "above 0, to 1"),
            "surfaces": (self.within is not None or not self.surfaces, "none without within"),
        }
        check_limits(self, limits)


@dataclass(frozen=True)
class Place:
    """Where one instance goes.

    Attributes:
        image_id: of a train photo.
        box_xyxy_photo: int (4,), inside the frame.
    """

    image_id: str
    box_xyxy_photo: tuple[int, int, int, int]


@dataclass(frozen=True)
class _Ground:
    """A photo that may get an instance.

    Attributes:
        photo: of train.
        frame_xyxy: float64 (4,), photo frame: what shares are of.
        within_xy: float64 (P, 2), outline of what the instance must lie on; None: the whole photo.
        surfaces_xy: float64 (Q, 2) each, outlines of the parts of it that it must lie on; none: any.
        boxes_xyxy: float64 (M, 4), photo frame: what it must not overlap; not what it lies on.
    """

    photo: JobPhoto
    frame_xyxy: np.ndarray
    within_xy: np.ndarray | None
    surfaces_xy: tuple[np.ndarray, ...]
    boxes_xyxy: np.ndarray

    def find_allowed(self) -> np.ndarray | None:
        """Where the instance may be, bool (H, W); None: everywhere."""
        if self.within_xy is None:
            return None
        allowed = rasterise_polygons([self.within_xy.tolist()], self.photo.size_hw)
        if self.surfaces_xy:
            allowed &= rasterise_polygons((outline.tolist() for outline in self.surfaces_xy), self.photo.size_hw)
        return allowed


def draw_places(dataset: Path, out: Path, options: PlacementOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: no photo qualifies or has room, within is no class, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        grounds = _choose_grounds(data, options)
        sides_hw, density = _fit(data, options)
        drawn = [_draw(grounds, density, sides_hw, options, number) for number in range(options.count)]
        (folder / PLACES_NAME).write_text(json.dumps([place for place, _ in drawn], indent=1) + "\n", encoding="utf-8")
        return {
            "places": len(drawn),
            "photos": len(grounds),
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


def _choose_grounds(data: JobData, options: PlacementOptions) -> list[_Ground]:
    """The photos of train that may get an instance."""
    photos, own = data.choose("train"), data.class_names[data.class_id]
    told = f"{len(photos)} photos of train"
    if options.onto == "without":
        without = [photo for photo in photos if data.class_id not in photo.class_ids]
        if not without:
            raise DataError(f"onto: expected photos without {own!r}, found it in all of the {told}")
        photos, told = without, f"{len(without)} photos of train without {own!r}"
    if options.within is None:
        return [_Ground(photo, _find_frame(photo, None), None, (), photo.boxes_xyxy) for photo in photos]
    within = _find_class(data, "within", options.within)
    surfaces = [_find_class(data, "surfaces", name) for name in options.surfaces]
    grounds = [ground for photo in photos if (ground := _stand_on(photo, within, surfaces)) is not None]
    if not grounds:
        parts = f" and {' or '.join(map(repr, options.surfaces))}" if options.surfaces else ""
        raise DataError(f"within: expected photos with {options.within!r}{parts}, found none among the {told}")
    return grounds


def _stand_on(photo: JobPhoto, within: int, surfaces: Sequence[int]) -> _Ground | None:
    """The photo's largest object of a class as what an instance lies on; None without one, or without any surface."""
    index = _find_largest(photo, within)
    parts = tuple(_outline_of(photo, int(part)) for part in np.flatnonzero(np.isin(photo.class_ids, surfaces)))
    if index is None or (len(surfaces) > 0 and not parts):
        return None
    is_other = ~np.isin(photo.class_ids, [within, *surfaces])
    return _Ground(photo, photo.boxes_xyxy[index], _outline_of(photo, index), parts, photo.boxes_xyxy[is_other])


def _find_class(data: JobData, option: str, name: str) -> int:
    if name not in data.class_names:
        raise DataError(f"{option}: no class {name!r}; the classes are {', '.join(data.class_names)}")
    return data.class_names.index(name)


def _find_largest(photo: JobPhoto, class_id: int) -> int | None:
    """Which of a photo's objects is the largest of a class, by its box; None if there is none."""
    own = np.flatnonzero(photo.class_ids == class_id)
    return int(own[np.argmax(box_area_px2(photo.boxes_xyxy[own]))]) if len(own) else None


def _find_frame(photo: JobPhoto, class_id: int | None) -> np.ndarray:
    """What shares of a photo are of: its largest object of a class, else the photo; float64 (4,), photo frame."""
    index = None if class_id is None else _find_largest(photo, class_id)
    height, width = photo.size_hw
    return np.array([0.0, 0.0, width, height]) if index is None else photo.boxes_xyxy[index]


def _outline_of(photo: JobPhoto, index: int) -> np.ndarray:
    outline = photo.outlines_xy[index]
    if outline is not None:
        return outline
    x0, y0, x1, y1 = photo.boxes_xyxy[index]
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _fit(data: JobData, options: PlacementOptions) -> tuple[np.ndarray, PlacementDensity]:
    """Height and width of every train box of the class, (N, 2), and the density of where in its frame each is."""
    class_id = None if options.within is None else _find_class(data, "within", options.within)
    own = [
        (box, _find_frame(photo, class_id))
        for photo in data.choose("train")
        for box in photo.boxes_xyxy[photo.class_ids == data.class_id]
    ]
    boxes, frames = np.array([box for box, _ in own]), np.array([frame for _, frame in own])
    fit = fit_joint if options.density == "joint" else fit_centres
    density = fit(boxes - np.tile(frames[:, :2], 2), (frames[:, 2:] - frames[:, :2])[:, ::-1])
    return np.rint(boxes[:, [3, 2]] - boxes[:, [1, 0]]).astype(int).clip(1), density


def _draw(
    grounds: Sequence[_Ground],
    density: PlacementDensity,
    sides_hw: np.ndarray,
    options: PlacementOptions,
    number: int,
) -> tuple[dict[str, Any], int]:
    """One place and how many photos had no room for it."""
    rng = np.random.default_rng([options.seed, number])
    for given_up in range(MAX_PHOTOS):
        ground = grounds[int(rng.integers(len(grounds)))]
        photo = ground.photo
        height, width = (int(side) for side in sides_hw[int(rng.integers(len(sides_hw)))])
        found = place(
            density,
            (height, width),
            photo.size_hw,
            ground.boxes_xyxy,
            rng,
            overlap=options.overlap,
            max_overlap=options.max_overlap,
            max_tries=options.max_tries,
            min_side_px=options.min_side_px,
            frame_xyxy_photo=ground.frame_xyxy,
            allowed=ground.find_allowed(),
            min_allowed_share=options.min_within_share,
        )
        if found.box_xyxy_photo is not None:
            box = [int(edge) for edge in found.box_xyxy_photo]
            return {"image_id": photo.image_id, "box_xyxy_photo": box, "tries": found.tries}, given_up
    raise DataError(f"placement: {MAX_PHOTOS} photos in a row have no room for an instance (place {number})")
