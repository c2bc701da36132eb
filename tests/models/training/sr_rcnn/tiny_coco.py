"""A COCO folder of small photos: one bright patch each, a scratch or a dent; and options of a comparison of seconds."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

from models.cli import app
from models.training.sr_rcnn.options import PRESETS, RunOptions

SIZE_HW = (96, 128)
CATEGORIES = ("scratch", "dent", "car")

OPTIONS: RunOptions = replace(PRESETS["smoke"], progress=False)


def write_coco(folder: Path, *, train: int = 6, val: int = 2, seed: int = 0) -> Path:
    """Write images/ and annotations/instances_{train,val}.json; photo n shows one object of class 1 + n % 2."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split, count in (("train", train), ("val", val)):
        images, annotations = [], []
        for number in range(count):
            name = f"{split}{number}.png"
            pixels = rng.integers(60, 120, (*SIZE_HW, 3), dtype=np.uint8)
            left, top = (int(v) for v in rng.integers(10, 60, 2))
            width, height = (24, 10) if number % 2 == 0 else (40, 30)
            pixels[top : top + height + 1, left : left + width + 1] = 250
            cv2.imwrite(str(folder / "images" / name), pixels)
            images.append({"id": number, "file_name": name, "width": SIZE_HW[1], "height": SIZE_HW[0]})
            right, bottom = left + width, top + height
            annotations.append(
                {
                    "id": number + 1,
                    "image_id": number,
                    "category_id": 1 + number % 2,
                    "bbox": [left, top, width, height],
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)],
        }
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content, indent=1))
    return folder


def run(data, out, *arguments):
    arguments = ["train", "sr-rcnn", "--data", data, "--out", out, "--preset", "smoke", "--no-progress", *arguments]
    return CliRunner().invoke(app, [str(a) for a in arguments])
