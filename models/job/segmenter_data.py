"""segmenter_data: photos with damage pasted in, as a data folder that the segmenter trains on.

In:   the folders of dataset and augmented, of a class of damage. Out: images/ and annotations.json, in the seed's
      schema.
Must not know: the GAN, networks.

Pasted photos are of split train and of their scene's group, and say "pseudo": nobody drew their regions. What is other
damage, or damage of which only the box is known, becomes an other region: neither class nor background.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.formats import Box, Dataset, Photo, Polygon, find_format
from models.data.formats.carry import own_paths
from models.data.formats.dataset import CAR_LABEL, OTHER_LABEL
from models.data.formats.images import place_images
from models.data.photos import DataError
from models.job.augmented import load_augmented
from models.job.dataset import JobData, JobPhoto, load_dataset_step
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step
from models.structures import DAMAGE_CLASSES, check_limits, rasterise_polygons
from models.structures.outlines import find_visible, open_hairline

STEP: Final = "segmenter_data"
PHOTOS: Final = ("pasted", "all")


@dataclass(frozen=True)
class SegmenterDataOptions:
    """What the folder holds.

    Attributes:
        photos: pasted: the photos with something pasted alone, to be one data folder beside others; all: the data set's
            own of train and val too, to be trained on alone.
    """

    photos: str = "pasted"

    def __post_init__(self) -> None:
        """Refuse an unknown choice.

        Raises:
            ValueError: names those there are.
        """
        check_limits(self, {"photos": (self.photos in PHOTOS, f"one of {', '.join(PHOTOS)}")})


@dataclass(frozen=True)
class _Object:
    """Something marked in a photo: its class, its box, and outlines, none where only the box is known."""

    class_name: str
    box_xyxy: np.ndarray
    outlines_xy: tuple[np.ndarray, ...]


def write_segmenter_data(dataset: Path, augmented: Path, out: Path, options: SegmenterDataOptions) -> StepDone:
    """Do the step.

    Raises:
        DataError: the class is no damage, nothing was pasted, a step is not complete, or out holds other work.
    """

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        own = data.class_names[data.class_id]
        if own not in DAMAGE_CLASSES:
            raise DataError(f"class: expected one of {', '.join(DAMAGE_CLASSES)}, found {own!r}")
        check_made_of(augmented, dataset=dataset)
        photos = list(_read_pasted(data, augmented))
        if not photos:
            raise DataError(f"{augmented}: nothing was pasted")
        if options.photos == "all":
            photos += [_read_own(photo, data) for split in ("train", "val") for photo in data.choose(split)]
        seed = find_format("seed")
        made = Dataset(tuple(photos), DAMAGE_CLASSES)
        seed.write(made, folder)
        place_images({name: photo.path for name, photo in own_paths(made, seed.image_path).items()}, folder, "copy")
        return {
            "class_name": own,
            "pasted": sum("pseudo" in photo.context for photo in photos),
            "photos": len(photos),
            "regions": {
                name: sum(area.label == name for photo in photos for area in photo.polygons)
                for name in (*DAMAGE_CLASSES, OTHER_LABEL)
            },
        }

    return run_step(out, STEP, asdict(options), {"dataset": dataset, "augmented": augmented}, work)


def load_segmenter_data(folder: Path) -> StepDone:
    """Open the folder of the step; models.data.photos.load_photos reads what it holds.

    Raises:
        DataError: it is not complete.
    """
    return load_step(folder, STEP)


def _read_pasted(data: JobData, augmented: Path) -> Iterable[Photo]:
    sources = {photo.image_id: photo for photo in data.choose("train")}
    own = data.class_names[data.class_id]
    for record in load_augmented(augmented):
        if "outlines_xy_photo" not in record:
            continue
        pasted = _Object(own, np.array(record["box_xyxy_photo"]), _read_outlines(record))
        others = (
            _Object(data.class_names[r["class_id"]], np.array(r["box_xyxy_photo"]), _read_outlines(r))
            for r in record["objects"]
        )
        source = sources[record["source"]]
        path = augmented / "images" / "train" / record["image_id"]
        mask = rasterise_polygons((outline.tolist() for outline in pasted.outlines_xy), source.size_hw)
        polygons = (*_to_polygons(pasted, None), *(area for one in others for area in _to_polygons(one, mask)))
        yield _make_photo(record["image_id"], path, source, data, polygons, {"pseudo": True})


def _read_own(photo: JobPhoto, data: JobData) -> Photo:
    polygons = (
        area
        for k, box, outline in zip(photo.class_ids, photo.boxes_xyxy, photo.outlines_xy, strict=True)
        for area in _to_polygons(_Object(data.class_names[k], box, () if outline is None else (outline,)), None)
    )
    return _make_photo(f"{photo.split}/{photo.image_id}", photo.path, photo, data, tuple(polygons), {})


def _make_photo(
    image_id: str,
    path: Path,
    source: JobPhoto,
    data: JobData,
    polygons: tuple[Polygon, ...],
    context: Mapping[str, Any],
) -> Photo:
    boxes = (
        Box(CAR_LABEL, tuple(map(float, box)))
        for k, box in zip(source.class_ids, source.boxes_xyxy, strict=True)
        if data.class_names[k] == CAR_LABEL
    )
    height, width = source.size_hw
    return Photo(
        image_id=image_id,
        width=width,
        height=height,
        damage_level=int(bool(polygons)),
        polygons=polygons,
        boxes=tuple(boxes),
        split=source.split,
        group=source.scene,
        context=context,
        path=path,
    )


def _read_outlines(record: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(outline, np.float64) for outline in record["outlines_xy_photo"])


def _to_polygons(one: _Object, pasted: np.ndarray | None) -> Iterable[Polygon]:
    """Regions of one object; none if it is no damage. A box alone gives way to what was pasted, where that is given."""
    if one.class_name not in (*DAMAGE_CLASSES, OTHER_LABEL):
        return
    label, outlines = one.class_name, one.outlines_xy
    if not outlines:
        x0, y0, x1, y1 = one.box_xyxy
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
        label, outlines = OTHER_LABEL, (corners,) if pasted is None else find_visible(corners, pasted)
    for outline in outlines:
        yield Polygon(label, tuple((float(x), float(y)) for x, y in open_hairline(outline)))
