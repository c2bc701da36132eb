"""Chooses every threshold of a set of predictors on val photos, and never on photos that trained them.

In:   versions whose cards hold stand-in thresholds, annotated photos. Out: cards with thresholds and measures.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.data.photos import AnnotatedPhoto, load_ignored, load_image, load_masks
from models.evaluation.boxes import iou_of_largest
from models.evaluation.report import MIN_AREA_PX2, PhotoOutcome, evaluate_outcomes, predict_photo
from models.localizer.predictor import Localizer
from models.predictors import load_gate, load_runtime, load_segmenter
from models.store import ModelCard, ModelVersion
from models.structures import DAMAGE_CLASSES

BOX_CANDIDATES: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
CLASS_CANDIDATES: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
GATE_RECALL: Final = 0.9


def split_samples(photos: Sequence[AnnotatedPhoto]) -> dict[str, list[AnnotatedPhoto]]:
    """Real and rendered photos apart; a kind without photos is left out."""
    samples = {
        "real": [p for p in photos if not p.is_rendered],
        "rendered": [p for p in photos if p.is_rendered],
    }
    return {name: chosen for name, chosen in samples.items() if chosen}


def choose_box_threshold(photos: Sequence[AnnotatedPhoto], version: ModelVersion) -> float:
    """Choose the localizer's score_threshold: the most photos cropped rightly.

    Right is a largest box of IoU >= 0.5 with the annotated car, or no box on a rendered close-up, whose car is known to
    have none. Photos of which neither is known do not count.
    """
    lowest = version.card.model_copy(
        update={"thresholds": {**version.card.thresholds, "score_threshold": BOX_CANDIDATES[0]}}
    )
    localizer = Localizer(load_runtime(version), lowest)
    known = [p for p in photos if p.car_box_xyxy is not None or p.is_rendered]
    right = np.zeros(len(BOX_CANDIDATES))
    for photo in known:
        found = localizer.predict_boxes([load_image(photo.path)])[0]
        for index, candidate in enumerate(BOX_CANDIDATES):
            boxes = found.boxes_xyxy_photo[found.scores > candidate]
            if photo.car_box_xyxy is None:
                right[index] += not len(boxes)
            else:
                right[index] += iou_of_largest(boxes, photo.car_box_xyxy) >= 0.5
    return BOX_CANDIDATES[int(right.argmax())]


def choose_gate_threshold(samples: Mapping[str, Sequence[PhotoOutcome]], *, recall: float = GATE_RECALL) -> float:
    """Choose the gate's score_threshold: the largest at which the samples' mean recall is enough.

    Args:
        samples: sample name to outcomes; each counts the same, however many photos it has.
        recall: share of the damaged photos that go on, (0, 1].

    Returns:
        A threshold, to be passed with >=; 0.5 where no photo is damaged.
    """
    damaged = [np.array([o.gate_score for o in outcomes if o.photo.damage_level == 1]) for outcomes in samples.values()]
    damaged = [scores for scores in damaged if scores.size]
    if not damaged:
        return 0.5
    for candidate in np.unique(np.concatenate(damaged))[::-1]:
        if np.mean([(scores >= candidate).mean() for scores in damaged]) >= recall - 1e-9:
            return float(candidate)
    raise ValueError(f"recall: expected at most 1, found {recall}")


def choose_class_thresholds(samples: Mapping[str, Sequence[PhotoOutcome]]) -> dict[str, float]:
    """Choose per class the threshold with the best Dice, averaged over photos, then over samples.

    A photo counts where it shows the class or is marked with MIN_AREA_PX2 pixels or more of it: false marks cost, and a
    small damage on a whole car weighs as much as a large one close by.

    Returns:
        class_name to score_threshold; 0.5 for a class that no photo shows.
    """
    curves: list[np.ndarray] = []
    for outcomes in samples.values():
        counts = [_count_by_candidate(o) for o in outcomes if o.probs is not None]
        if not counts:
            continue
        intersection, predicted, annotated = np.moveaxis(np.stack(counts), 2, 0)  # (photos, candidates, C) each
        dice = 2 * intersection / np.maximum(predicted + annotated, 1)
        counted = (annotated > 0) | (predicted >= MIN_AREA_PX2)
        mean = (dice * counted).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)  # (candidates, C)
        curves.append(np.where(annotated.any(axis=0), mean, np.nan))
    chosen = {}
    for channel, name in enumerate(DAMAGE_CLASSES):
        shown = [curve[:, channel] for curve in curves if not np.isnan(curve[:, channel]).any()]
        chosen[name] = CLASS_CANDIDATES[int(np.mean(shown, axis=0).argmax())] if shown else 0.5
    return chosen


def _count_by_candidate(outcome: PhotoOutcome) -> np.ndarray:
    """count_overlap of one photo at every candidate at once; int64 (candidates, 3, C)."""
    counted = ~load_ignored(outcome.photo)
    gt_masks = load_masks(outcome.photo) & counted
    counts = np.zeros((len(CLASS_CANDIDATES), 3, len(DAMAGE_CLASSES)), np.int64)
    limits = np.array(CLASS_CANDIDATES, np.float16)
    for channel, probs in enumerate(outcome.probs):
        reached = np.searchsorted(limits, probs, side="right")  # (h, w): candidates that the pixel passes
        for row, chosen in enumerate((outcome.window.cut(gt_masks[channel]), outcome.window.cut(counted))):
            histogram = np.bincount(reached[chosen], minlength=len(limits) + 1)
            counts[:, row, channel] = histogram[::-1].cumsum()[::-1][1:]
        counts[:, 2, channel] = gt_masks[channel].sum()
    return counts


def calibrate_versions(
    versions: Mapping[str, ModelVersion], photos: Sequence[AnnotatedPhoto], *, gate_recall: float = GATE_RECALL
) -> tuple[dict[str, ModelCard], dict[str, Any]]:
    """Choose every threshold and measure with them.

    Args:
        versions: localizer, gate and segmenter.
        photos: val photos.
        gate_recall: share of the damaged photos that the gate must let through, averaged over the samples.

    Returns:
        Cards with new thresholds and measures, and the whole report by sample.
    """
    cards = {network: version.card for network, version in versions.items()}
    box_threshold = choose_box_threshold(photos, versions["localizer"])
    cards["localizer"] = _with_thresholds(cards["localizer"], {"score_threshold": box_threshold})
    localizer = Localizer(load_runtime(versions["localizer"]), cards["localizer"])
    gate, segmenter = load_gate(versions["gate"]), load_segmenter(versions["segmenter"])
    samples = {
        name: [predict_photo(photo, localizer, gate, segmenter) for photo in chosen]
        for name, chosen in split_samples(photos).items()
    }
    gate_threshold = choose_gate_threshold(samples, recall=gate_recall)
    class_thresholds = choose_class_thresholds(samples)
    cards["gate"] = _with_thresholds(cards["gate"], {"score_threshold": gate_threshold})
    cards["segmenter"] = _with_thresholds(
        cards["segmenter"], {f"{name}_score_threshold": value for name, value in class_thresholds.items()}
    )
    report = {
        name: evaluate_outcomes(
            outcomes,
            gate_score_threshold=gate_threshold,
            class_thresholds=[class_thresholds[c] for c in DAMAGE_CLASSES],
        )
        for name, outcomes in samples.items()
    }
    return {network: _with_measures(card, report) for network, card in cards.items()}, report


def _with_thresholds(card: ModelCard, thresholds: Mapping[str, float]) -> ModelCard:
    return card.model_copy(update={"thresholds": {**card.thresholds, **thresholds}})


def _with_measures(card: ModelCard, report: Mapping[str, Mapping[str, Any]]) -> ModelCard:
    """Put into a card what the report says of its network, each name ending in sample and split."""
    own = {"localizer": ("localizer_",), "gate": ("gate_",)}.get(card.network, (*DAMAGE_CLASSES, "false_regions"))
    measures = {
        f"{name}_{sample}_val": round(value, 4)
        for sample, values in report.items()
        for name, value in values.items()
        if name.startswith(own)
    }
    return card.model_copy(update={"metrics": {**card.metrics, **measures}})
