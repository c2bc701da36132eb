"""Conversion of annotated photos from one format to another: whole, with its losses counted, or not at all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from models.data.folder_writing import new_folder
from models.data.formats import Dataset, Format, Photo, Polygon, load_dataset, narrow
from models.data.formats.carry import own_paths, surround_objects
from models.data.formats.images import IMAGE_MODES, place_images

POLYGON_MODES: Final = ("keep", "boxes", "corners")


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes:
        dataset: as written.
        losses: what the source had and the target has not, counted by description.
    """

    dataset: Dataset
    losses: Counter[str]


def convert_folder(
    source: Path,
    out: Path,
    source_format: Format,
    target: Format,
    *,
    images: str = "copy",
    polygons: str = "keep",
    renamed: Mapping[str, str] | None = None,
) -> Conversion:
    """Convert a folder.

    Args:
        source: folder or file of annotations, its photos beside it.
        out: missing or empty; appears complete or not at all.
        source_format: the source's.
        target: the format to write.
        images: "copy", "link" (hard links) or "none".
        polygons: "keep"; "boxes" to replace each by its bounding box; "corners" to replace each box by an outline of
            its four corners, for formats that have no place for both.
        renamed: new class names by old ones.

    Raises:
        FaultyAnnotationsError: the source has faults; nothing is written.
        ValueError: an option or a name that cannot be.
        DataError: out holds something.
    """
    if images not in IMAGE_MODES:
        raise ValueError(f"images: expected one of {', '.join(IMAGE_MODES)}, found {images!r}")
    if polygons not in POLYGON_MODES:
        raise ValueError(f"polygons: expected one of {', '.join(POLYGON_MODES)}, found {polygons!r}")
    with new_folder(out) as folder:
        dataset, read_losses = load_dataset(source, source_format)
        losses = Counter(read_losses)
        if renamed:
            dataset = dataset.rename_labels(renamed)
        if polygons == "boxes":
            dataset = _polygons_to_boxes(dataset, losses)
        elif polygons == "corners":
            dataset = _boxes_to_polygons(dataset, losses)
        narrowed, narrow_losses = narrow(dataset, target)
        losses.update(narrow_losses)
        target.write(narrowed, folder)
        paths = {name: photo.path for name, photo in own_paths(narrowed, target.image_path).items()}
        place_images(paths, folder, images)
    return Conversion(narrowed, losses)


def _polygons_to_boxes(dataset: Dataset, losses: Counter[str]) -> Dataset:
    photos: list[Photo] = []
    for photo in dataset.photos:
        kept = surround_objects(photo.polygons, losses)
        photos.append(replace(photo, polygons=(), boxes=(*photo.boxes, *kept)))
    return Dataset(tuple(photos), dataset.labels)


def _boxes_to_polygons(dataset: Dataset, losses: Counter[str]) -> Dataset:
    photos: list[Photo] = []
    for photo in dataset.photos:
        corners = [
            Polygon(box.label, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
            for box in photo.boxes
            for x0, y0, x1, y1 in [box.box_xyxy]
        ]
        losses["boxes (outlines of their corners are kept)"] += len(corners)
        photos.append(replace(photo, polygons=(*photo.polygons, *corners), boxes=()))
    return Dataset(tuple(photos), dataset.labels)
