"""Pictures of the worst photos of a report, written beside it only when asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models.data.photos import load_masks
from models.evaluation.judgement import PhotoJudgement
from models.evaluation.path import (
    PathOptions,
    Prediction,
    Predictors,
    keep_patches,
    load_sized,
    predict_photos,
    refine_at_thresholds,
    to_photo_frame,
)
from models.evaluation.report import NOMINAL_ROW, Judged
from models.structures import DAMAGE_CLASSES

_ANNOTATED_RGB: Final = (40, 200, 80)
_PREDICTED_RGB: Final = (230, 50, 40)


def choose_worst(
    judged: Judged, options: PathOptions, *, count: int, gate_score_threshold: float
) -> dict[str, list[PhotoJudgement]]:
    """List the photos that went most wrong end to end.

    Returns:
        "false_negative": damaged photos not recalled, most annotated pixels first; "false_positive": undamaged photos
        with regions after the gate, most regions first; count of each at most.
    """
    serving = [judged.policies.index(policy) for policy in options.policies]
    classes = range(len(DAMAGE_CLASSES))
    missed: list[tuple[int, PhotoJudgement]] = []
    accused: list[tuple[int, PhotoJudgement]] = []
    for judgement in judged.judgements:
        masks = judgement.masks
        if masks is None:
            continue
        passes = judgement.gate_score >= gate_score_threshold
        regions = int(masks.regions[serving, NOMINAL_ROW, classes].sum()) * passes
        is_hit = bool(masks.is_hit[serving, NOMINAL_ROW, classes].any()) and passes
        if judgement.photo.damage_level == 0 and regions:
            accused.append((regions, judgement))
        elif judgement.photo.damage_level == 1 and judgement.photo.polygons and not is_hit:
            missed.append((sum(r.area_px2 for r in masks.annotated), judgement))
    return {
        kind: [judgement for _, judgement in sorted(found, key=lambda pair: -pair[0])[:count]]
        for kind, found in (("false_negative", missed), ("false_positive", accused))
    }


def write_overlays(
    worst: dict[str, list[PhotoJudgement]], predictors: Predictors, options: PathOptions, folder: Path
) -> list[Path]:
    """Draw the worst photos: annotated borders green, predicted ones red (without the gate), the crop's edge grey.

    Returns:
        The files written: KIND_NUMBER_IMAGE-ID.png.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, judgements in worst.items():
        photos = [judgement.photo for judgement in judgements]
        for number, prediction in enumerate(predict_photos(photos, predictors, options), start=1):
            path = folder / f"{kind}_{number:02d}_{Path(prediction.photo.image_id).stem}.png"
            drawn = draw_overlay(prediction, predictors.class_thresholds, options)
            _, encoded = cv2.imencode(".png", drawn[..., ::-1])
            path.write_bytes(encoded.tobytes())
            written.append(path)
    return written


def draw_overlay(prediction: Prediction, class_thresholds: Sequence[float], options: PathOptions) -> np.ndarray:
    """Draw one photo's borders; uint8 (H, W, 3) RGB, photo frame."""
    image = load_sized(prediction.photo)
    window = prediction.window
    cv2.rectangle(image, (window.x0, window.y0), (window.x1 - 1, window.y1 - 1), (170, 170, 170), 1)
    thresholds = np.asarray(class_thresholds, np.float64)
    predicted = np.zeros(image.shape[:2], bool)
    for channel, policy in enumerate(options.policies):
        own = slice(channel, channel + 1)
        mask = refine_at_thresholds(prediction.probs[own], prediction.crop, policy, thresholds[None, own])[0, 0]
        kept, _ = keep_patches(mask, min_area_px2=options.min_region_area_px2)
        predicted |= to_photo_frame(kept, window, image.shape[:2])
    for mask, colour in ((load_masks(prediction.photo).any(axis=0), _ANNOTATED_RGB), (predicted, _PREDICTED_RGB)):
        borders, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, borders, -1, colour, 1)
    return image
