"""Tiny photos of cars: grey, with a car of one colour, in damaged ones a light slanted scratch on it."""

import json

import cv2
import numpy as np

from models.data.formats import Box, Dataset, Photo, Polygon, find_format

SIZE_HW = (96, 128)
LABELS = ("scratch", "dent", "spacing", "car", "panel", "other")


def draw_photo(rng, *, is_damaged):
    """Image, car box, and the scratch's outline or None; a scratch is a tenth as high as its car, in its middle."""
    image = rng.integers(90, 110, (*SIZE_HW, 3), np.uint8)
    height = int(rng.choice([40, 60, 80]))
    width = round(height * 1.25)
    x, y = int(rng.integers(2, SIZE_HW[1] - width - 2)), int(rng.integers(2, SIZE_HW[0] - height - 2))
    image[y : y + height, x : x + width] = rng.integers(20, 160, 3)
    if not is_damaged:
        return image, (x, y, x + width, y + height), None
    high, wide = height // 10 + 4, height // 3
    left, top = x + (width - wide) // 2 + int(rng.integers(-3, 4)), y + (height - high) // 2 + int(rng.integers(-3, 4))
    outline = [[left, top + high], [left + 4, top + high], [left + wide, top], [left + wide - 4, top]]
    cv2.fillPoly(image, [np.array(outline)], (235, 235, 240))
    return image, (x, y, x + width, y + height), outline


def write_seed(root, *, damaged=20, undamaged=12, held_out=4, seed=6):
    """A data folder in the seed's schema; photos of val and test are damaged."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    records = []
    kinds = [("train", True)] * damaged + [("train", False)] * undamaged
    for number, (split, is_damaged) in enumerate([*kinds, *[("val", True), ("test", True)] * held_out]):
        image, car, outline = draw_photo(rng, is_damaged=is_damaged)
        name = f"{number:03d}.png"
        assert cv2.imwrite(str(root / "images" / name), image)
        regions = [{"points": outline, "class_name": 1}] if outline else []
        record = {"image_id": name, "damage_level": int(is_damaged), "regions": regions, "split": split}
        records.append({**record, "width": SIZE_HW[1], "height": SIZE_HW[0], "car_box_xyxy": car})
    (root / "annotations.json").write_text(json.dumps(records))
    return root


def write_cars(root, *, damaged=20, undamaged=20, held_out=3, panelled=True, car_in=lambda number: True, seed=7):
    """A data folder in YOLO's layout where cars are boxes, and their left half is an outlined panel."""
    rng, photos = np.random.default_rng(seed), []
    kinds = [("train", True)] * damaged + [("train", False)] * undamaged
    for number, (split, is_damaged) in enumerate([*kinds, *[("val", True), ("test", True)] * held_out]):
        image, (x0, y0, x1, y1), outline = draw_photo(rng, is_damaged=is_damaged)
        middle = (x0 + x1) // 2
        shapes = [Polygon("scratch", tuple(map(tuple, outline)))] if outline else []
        if panelled and not is_damaged:
            shapes.append(Polygon("panel", ((x0, y0), (middle, y0), (middle, y1), (x0, y1))))
        boxes = (Box("car", (x0, y0, x1, y1)),) if car_in(number) else ()
        photo = Photo(f"{number:03d}.png", *SIZE_HW[::-1], polygons=tuple(shapes), boxes=boxes, split=split)
        photos.append(photo)
        path = root / "images" / split / photo.image_id
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)
    find_format("yolo").write(Dataset(tuple(photos), LABELS), root)
    return root
