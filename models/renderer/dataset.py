"""Rendered photos as files: JPEGs and one annotations.json in the seed's format."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from models.renderer.camera import VIEWS
from models.renderer.photo import RenderedPhoto, render_photo

_JPEG_QUALITY = 94


def annotation_of(photo: RenderedPhoto, image_id: str) -> dict:
    """Write a photo's ground truth as the seed does.

    Args:
        photo: the photo.
        image_id: its name.

    Returns:
        image_id, damage_level, regions with points and class_name, as in the seed; car_box_xyxy, a list or None; view;
        and context: light, weather, is_blurred and is_close_up, by which quality can be sliced.
    """
    return {
        "image_id": image_id,
        "damage_level": photo.damage_level,
        "regions": [
            {"points": [[x, y] for x, y in region.points], "class_name": region.class_id} for region in photo.regions
        ],
        "car_box_xyxy": None if photo.car_box_xyxy is None else list(photo.car_box_xyxy),
        "view": photo.view,
        "context": asdict(photo.conditions),
    }


def render_dataset(
    out_dir: Path | str, photos: int, seed: int, *, size_hw: tuple[int, int] = (480, 640), photos_per_vehicle: int = 4
) -> list[dict]:
    """Render photos into out_dir/images and their annotations into out_dir/annotations.json.

    Args:
        out_dir: created where missing; files of the same name are replaced.
        photos: how many, 1 or more.
        seed: photo n depends on seed and n alone, so a longer run starts with the shorter run's photos.
        size_hw: height and width of each, pixels.
        photos_per_vehicle: photos of one vehicle, from different views, in a row.

    Returns:
        The annotations as written, one a photo: annotation_of's keys, vehicle_id, width, height.

    Raises:
        ValueError: photos, seed or photos_per_vehicle out of range.
    """
    for name, value, least in (("photos", photos, 1), ("seed", seed, 0), ("photos_per_vehicle", photos_per_vehicle, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name}: expected a whole number of {least} or more, found {value!r}")
    images_dir = Path(out_dir) / "images"
    images_dir.mkdir(parents=True, exist_ok=True)
    annotations = []
    for number in range(photos):
        vehicle, turn = divmod(number, photos_per_vehicle)
        vehicle_seed = int(np.random.SeedSequence([seed, 1, vehicle]).generate_state(1)[0])
        photo_seed = int(np.random.SeedSequence([seed, 2, number]).generate_state(1)[0])
        first = int(np.random.default_rng(vehicle_seed).integers(len(VIEWS)))
        view = VIEWS[
            (first + 3 * turn) % len(VIEWS)
        ]  # 3 is prime to the eight views: none repeats before all were seen
        photo = render_photo(photo_seed, size_hw=size_hw, view=view, vehicle_seed=vehicle_seed)
        image_id = f"{seed:04d}_{number:06d}.jpg"
        save_jpeg(images_dir / image_id, photo.image)
        height, width = photo.image.shape[:2]
        annotations.append(
            annotation_of(photo, image_id)
            | {"vehicle_id": f"rendered-{seed}-{vehicle:05d}", "width": width, "height": height}
        )
    (Path(out_dir) / "annotations.json").write_text(json.dumps(annotations) + "\n", encoding="utf-8")
    return annotations


def save_jpeg(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 (H, W, 3) RGB, as a JPEG file."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    path.write_bytes(encoded.tobytes())
