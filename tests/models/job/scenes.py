"""A tiny data folder in YOLO's layout: grey photos on which "person" is a bright upright bar, "truck" a dark block."""

from pathlib import Path

import cv2
import numpy as np

SIZE_HW = (96, 128)


def write_yolo(
    root: Path, *, train: int = 20, val: int = 6, test: int = 0, seed: int = 3, is_figure: bool = False
) -> Path:
    """Photos of one scene each, one or two persons and a truck on every third; persons are bars, or head and body."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            image = rng.integers(90, 130, (*SIZE_HW, 3), np.uint8)
            lines = []
            if number % 3 == 0:
                image[60:80, 80:120] = 30
                lines.append(encode(0, (80, 60, 120, 80)))
            for place in range(1 + number % 2):
                x, y = 10 + 30 * place + int(rng.integers(0, 8)), int(rng.integers(10, 40))
                colour = rng.integers(180, 255, 3)
                if is_figure:
                    cv2.ellipse(image, (x + 6, y + 20), (6, 10), 0, 0, 360, colour.tolist(), cv2.FILLED)
                    cv2.circle(image, (x + 6, y + 5), 5, (40, 60, 200), cv2.FILLED)
                else:
                    image[y : y + 30, x : x + 12] = colour
                lines.append(encode(1, (x, y, x + 12, y + 30)))
            for name in ("images", "labels"):
                (root / name / split).mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(root / "images" / split / f"{split}{number:03d}.png"), image)
            (root / "labels" / split / f"{split}{number:03d}.txt").write_text("\n".join(lines) + "\n")
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: [truck, person]\n")
    return root


def encode(class_id: int, box_xyxy: tuple[float, float, float, float]) -> str:
    """One line of YOLO's labels."""
    height, width = SIZE_HW
    x0, y0, x1, y1 = box_xyxy
    numbers = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
    return f"{class_id} " + " ".join(f"{number:.6f}" for number in numbers)
