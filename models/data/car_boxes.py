"""Car boxes for photos without any, kept in a JSON file so that a teacher looks at each photo once."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.photos import AnnotatedPhoto, load_image


@dataclass(frozen=True)
class CarBoxes:
    """What is known of the cars in one photo.

    Attributes:
        boxes_xyxy: float64 (K, 4), photo frame.
        is_certain: False where the teacher saw something it was not sure of: no lesson for a detector.
    """

    boxes_xyxy: np.ndarray
    is_certain: bool


SURE_SCORE, DOUBTFUL_SCORE = 0.5, 0.15


def label_cars(
    photos: Iterable[AnnotatedPhoto],
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None,
    cache_path: Path,
) -> dict[Path, CarBoxes]:
    """Give every photo its car boxes: its own annotation, else the teacher's.

    A photo of the teacher's is certain if everything it saw scores at least SURE_SCORE; a photo in which it saw nothing
    above DOUBTFUL_SCORE is a close-up: no box, and certain, which makes it a negative.

    Args:
        photos: annotated photos.
        predict: image to boxes and scores above DOUBTFUL_SCORE; None leaves photos without annotation out.
        cache_path: JSON of the teacher's answers; read, extended, written.

    Returns:
        Photo path to boxes; an undamaged or damaged real photo whose box is annotated has exactly that one.
    """
    cache: dict[str, list[list[float]]] = json.loads(cache_path.read_text()) if cache_path.exists() else {}
    known: dict[Path, CarBoxes] = {}
    for photo in photos:
        if photo.car_box_xyxy is not None:
            known[photo.path] = CarBoxes(np.array([photo.car_box_xyxy], np.float64), True)
        elif photo.is_rendered:
            known[photo.path] = CarBoxes(np.zeros((0, 4)), True)
        else:
            key = f"{photo.folder}/{photo.image_id}"
            if key not in cache:
                if predict is None:
                    continue
                boxes, scores = predict(load_image(photo.path))
                cache[key] = [[*map(float, box), float(score)] for box, score in zip(boxes, scores, strict=True)]
            rows = np.array(cache[key], np.float64).reshape(-1, 5)
            is_certain = bool((rows[:, 4] >= SURE_SCORE).all())
            known[photo.path] = CarBoxes(rows[rows[:, 4] >= SURE_SCORE, :4], is_certain)
    cache_path.parent.mkdir(parents=True, exist_ok=True)
    cache_path.write_text(json.dumps(cache))
    return known
