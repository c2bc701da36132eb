"""A data folder of six small pictures: a grey box for a car, a bright stroke or patch for damage."""

import json
from pathlib import Path

import cv2
import numpy as np

SIZE_HW = (96, 128)


def write_folder(folder: Path, *, rendered: bool = True, split: str = "train") -> Path:
    """Write images/ and annotations.json; photos 0 to 3 are damaged, 4 and 5 are not."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    records = []
    for number in range(6):
        image = rng.integers(60, 120, (*SIZE_HW, 3), dtype=np.uint8)
        image[30:80, 20:110] = 160
        regions = []
        if number < 4:
            x = 30 + 10 * number
            points = [[x, 40], [x + 20, 40], [x + 20, 50], [x, 50]]
            image[40:51, x : x + 21] = 250
            regions = [{"points": points, "class_name": 1 + number % 3}]
        image_id = f"{number}.jpg"
        cv2.imwrite(str(folder / "images" / image_id), image)
        records.append(
            {
                "image_id": image_id,
                "damage_level": int(bool(regions)),
                "regions": regions,
                "car_box_xyxy": [20, 30, 110, 80],
                "width": SIZE_HW[1],
                "height": SIZE_HW[0],
                "split": split,
                **({"vehicle_id": f"rendered-0-{number // 2}"} if rendered else {}),
            }
        )
    (folder / "annotations.json").write_text(json.dumps(records))
    return folder
