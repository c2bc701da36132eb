"""Chooses every threshold of a set of predictors on half of the val photos, and measures on the other half and on all.

In:   versions whose cards hold stand-in thresholds, annotated photos. Out: cards with thresholds and measures.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import AnnotatedPhoto, load_image
from models.evaluation.ahead import map_ahead
from models.evaluation.boxes import iou_of_largest
from models.evaluation.end_to_end import MAX_FALSE_REGIONS
from models.evaluation.judgement import PhotoJudgement, judge_photo
from models.evaluation.path import PathOptions, Predictors, predict_photos
from models.evaluation.reference import build_reference
from models.evaluation.report import (
    Progress,
    evaluate_judged,
    judge_photos,
    show_nothing,
    split_samples,
)
from models.evaluation.within_source import group_of
from models.localizer.predictor import Localizer
from models.predictors import load_runtime
from models.store import ModelCard, ModelVersion
from models.structures import DAMAGE_CLASSES

BOX_CANDIDATES: Final = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
CLASS_CANDIDATES: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
GATE_RECALL: Final = 0.9
OBJECTIVES: Final = ("iou", "recall")


def is_in_choosing_half(photo: AnnotatedPhoto) -> bool:
    """Belongs a photo's car to the half on which thresholds are chosen? By the sha256 of its group's name."""
    return hashlib.sha256(f"choose {group_of(photo)}".encode()).digest()[0] < 128


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


def choose_gate_threshold(samples: Mapping[str, Sequence[PhotoJudgement]], *, recall: float = GATE_RECALL) -> float:
    """Choose the gate's score_threshold: the largest at which the samples' mean recall is enough.

    Args:
        samples: sample name to judgements; each counts the same, however many photos it has.
        recall: share of the damaged photos that go on, (0, 1].

    Returns:
        A threshold, to be passed with >=; 0.5 where no photo is damaged.
    """
    damaged = [np.array([j.gate_score for j in own if j.photo.damage_level == 1]) for own in samples.values()]
    damaged = [scores for scores in damaged if scores.size]
    if not damaged:
        return 0.5
    for candidate in np.unique(np.concatenate(damaged))[::-1]:
        if np.mean([(scores >= candidate).mean() for scores in damaged]) >= recall - 1e-9:
            return float(candidate)
    raise ValueError(f"recall: expected at most 1, found {recall}")


def choose_class_thresholds(
    samples: Mapping[str, Sequence[PhotoJudgement]], *, gate_score_threshold: float, objective: str = "iou"
) -> dict[str, float]:
    """Choose the class thresholds together: the best masks that accuse few undamaged photos.

    Every combination of CLASS_CANDIDATES is tried. Those with at most MAX_FALSE_REGIONS false regions per undamaged
    photo after the gate, averaged over the samples, compete; where there is none, those with the fewest.

    Args:
        samples: sample name to judgements at the rows CLASS_CANDIDATES, under the one policy of each class (P = 1);
            each sample counts the same.
        gate_score_threshold: photos below it are let go.
        objective: "iou", the foreground IoU of each class on the photos that show it, averaged over classes; or
            "recall", the share of damaged photos recalled end to end, ties decided by "iou".

    Returns:
        class_name to score_threshold; 0.5 for a class that no photo shows.

    Raises:
        ValueError: unknown objective.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: expected one of {', '.join(OBJECTIVES)}, found {objective!r}")
    tables = [_Table(own, gate_score_threshold) for own in samples.values() if any(j.masks for j in own)]
    shown = np.array([any(table.shows[channel] for table in tables) for channel in range(len(DAMAGE_CLASSES))], bool)
    if not shown.any():
        return dict.fromkeys(DAMAGE_CLASSES, 0.5)
    free = range(len(CLASS_CANDIDATES))
    default = CLASS_CANDIDATES.index(0.5)
    grid = np.stack(np.meshgrid(*[free if own else [default] for own in shown], indexing="ij"), axis=-1)
    combinations = grid.reshape(-1, len(DAMAGE_CLASSES))  # (K, C), rows of CLASS_CANDIDATES
    iou = _mean_over([table.iou(combinations) for table in tables])
    falses = _mean_over([table.false_regions(combinations) for table in tables])
    falses = np.where(np.isnan(falses), 0.0, falses)
    limit = max(MAX_FALSE_REGIONS, float(falses.min())) + 1e-9
    score = iou
    if objective == "recall":
        score = _mean_over([table.recall(combinations) for table in tables]) + 1e-3 * iou
    chosen = combinations[int(np.where(falses <= limit, score, -1.0).argmax())]
    return {name: CLASS_CANDIDATES[index] for name, index in zip(DAMAGE_CLASSES, chosen, strict=True)}


class _Table:
    """One sample's counts by candidate; N photos, T candidates, C classes, K combinations."""

    def __init__(self, judgements: Sequence[PhotoJudgement], gate_score_threshold: float) -> None:
        known = [j for j in judgements if j.masks]
        self._overlap = np.stack([j.masks.overlap_px[0] for j in known])  # (N, T, C, 3)
        self._regions = np.stack([j.masks.regions[0] for j in known])  # (N, T, C)
        self._hits = np.stack([j.masks.is_hit[0] for j in known])  # (N, T, C)
        self._passes = np.array([j.gate_score >= gate_score_threshold for j in known], bool)
        self._is_undamaged = np.array([j.photo.damage_level == 0 for j in known], bool)
        self._is_damaged = np.array([bool(j.photo.polygons) for j in known], bool)
        shows = self._overlap[:, 0, :, 2] > 0  # (N, C)
        self.shows = shows.any(axis=0)
        sums = (self._overlap * shows[:, None, :, None]).sum(axis=0)  # (T, C, 3)
        union = sums[..., 1] + sums[..., 2] - sums[..., 0]
        self._iou = np.divide(sums[..., 0], union, out=np.full(union.shape, np.nan), where=union > 0)  # (T, C)

    def iou(self, combinations: np.ndarray) -> np.ndarray:
        """Mean over the classes shown; float64 (K,), NaN for none."""
        own = self._iou[combinations, range(combinations.shape[1])]  # (K, C)
        return own[:, self.shows].mean(axis=1) if self.shows.any() else np.full(len(combinations), np.nan)

    def false_regions(self, combinations: np.ndarray) -> np.ndarray:
        """Per undamaged photo after the gate; float64 (K,), NaN without such photos."""
        if not self._is_undamaged.any():
            return np.full(len(combinations), np.nan)
        kept = self._regions[self._is_undamaged] * self._passes[self._is_undamaged, None, None]
        mean = kept.mean(axis=0)  # (T, C)
        return mean[combinations, range(combinations.shape[1])].sum(axis=1)

    def recall(self, combinations: np.ndarray) -> np.ndarray:
        """Share of damaged photos recalled after the gate; float64 (K,), NaN without such photos."""
        if not self._is_damaged.any():
            return np.full(len(combinations), np.nan)
        hits = self._hits[self._is_damaged] & self._passes[self._is_damaged, None, None]  # (N, T, C)
        return hits[:, combinations, range(combinations.shape[1])].any(axis=2).mean(axis=0)


def _mean_over(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over the samples that have a number; NaN where none has."""
    stacked = np.stack(rows)
    counted = np.isfinite(stacked).sum(axis=0)
    return np.divide(np.nansum(stacked, axis=0), counted, out=np.full(stacked.shape[1], np.nan), where=counted > 0)


def judge_candidates(
    photos: Sequence[AnnotatedPhoto],
    predictors: Predictors,
    options: PathOptions,
    *,
    show_progress: Progress = show_nothing,
) -> list[PhotoJudgement]:
    """Judge photos at CLASS_CANDIDATES, each class under its own policy only: P = 1."""
    thresholds = np.repeat(np.array(CLASS_CANDIDATES)[:, None], len(DAMAGE_CLASSES), axis=1)
    policies = tuple(dict.fromkeys(options.policies))
    own = [policies.index(policy) for policy in options.policies]
    predictions = show_progress(predict_photos(photos, predictors, options), "photos to choose on", len(photos))
    judge = partial(judge_photo, options=options, thresholds=thresholds, policies=policies, nominal=None)
    return [_keep_serving(judgement, own) for judgement in map_ahead(judge, predictions)]


def _keep_serving(judgement: PhotoJudgement, own: Sequence[int]) -> PhotoJudgement:
    """Reduce the axis of policies to the one that serves each class."""
    if judgement.masks is None:
        return judgement
    masks, classes = judgement.masks, range(len(own))
    return replace(
        judgement,
        masks=replace(
            masks,
            overlap_px=masks.overlap_px[own, :, classes].swapaxes(0, 1)[None],
            regions=masks.regions[own, :, classes].T[None],
            is_hit=masks.is_hit[own, :, classes].T[None],
        ),
    )


def calibrate_versions(
    versions: Mapping[str, ModelVersion],
    photos: Sequence[AnnotatedPhoto],
    *,
    gate_recall: float = GATE_RECALL,
    objective: str = "iou",
    options: PathOptions | None = None,
    contexts: Mapping[Path, Mapping[str, str]] | None = None,
    show_progress: Progress = show_nothing,
) -> tuple[dict[str, ModelCard], dict[str, Any]]:
    """Choose every threshold on one half of the cars and measure with them.

    Args:
        versions: localizer, gate and segmenter.
        photos: val photos.
        gate_recall: share of the damaged photos that the gate must let through, averaged over the samples.
        objective: of the class thresholds, as choose_class_thresholds has it.
        options: the path; the service's defaults if not given.
        contexts: of photos, by path, for slices.
        show_progress: shows how far it is.

    Returns:
        Cards with new thresholds and measures; and the report: "chosen" (thresholds, on how many photos), "other_half"
        (left out if either half has no annotated damage: then everything is chosen on all), "all", each by sample.

    Raises:
        ValueError: unknown objective, or gate_recall over 1.
    """
    options = options or PathOptions()
    halves = [[p for p in photos if is_in_choosing_half(p) == is_first] for is_first in (True, False)]
    is_split = all(any(p.polygons for p in half) for half in halves)
    choosing = halves[0] if is_split else list(photos)
    cards = {network: version.card for network, version in versions.items()}
    box_threshold = choose_box_threshold(choosing, versions["localizer"])
    cards["localizer"] = _with_thresholds(cards["localizer"], {"score_threshold": box_threshold})
    predictors = Predictors.load(_with_cards(versions, cards))
    judged = judge_candidates(choosing, predictors, options, show_progress=show_progress)
    samples = {
        "real": [j for j in judged if not j.photo.is_rendered],
        "rendered": [j for j in judged if j.photo.is_rendered],
    }
    gate_threshold = choose_gate_threshold(samples, recall=gate_recall)
    class_thresholds = choose_class_thresholds(samples, gate_score_threshold=gate_threshold, objective=objective)
    cards["gate"] = _with_thresholds(cards["gate"], {"score_threshold": gate_threshold})
    cards["segmenter"] = _with_thresholds(
        cards["segmenter"], {f"{name}_score_threshold": value for name, value in class_thresholds.items()}
    )
    predictors = Predictors.load(_with_cards(versions, cards))
    everything = judge_photos(photos, predictors, options, show_progress=show_progress)
    parts = {"all": everything}
    if is_split:
        parts["other_half"] = everything.choose(lambda photo: not is_in_choosing_half(photo))
    report: dict[str, Any] = {
        "chosen": {
            "photos": len(choosing),
            "objective": objective,
            "thresholds": {network: dict(card.thresholds) for network, card in cards.items()},
        }
    }
    for part, own in parts.items():
        report[part] = {
            sample: evaluate_judged(chosen, options, gate_score_threshold=gate_threshold, contexts=contexts)
            for sample, chosen in split_samples(own).items()
        }
        suffix = "val" if part == "all" else "val_other_half"
        cards = {network: _with_measures(card, report[part], suffix) for network, card in cards.items()}
    cards["gate"] = _with_reference(cards["gate"], everything.judgements)
    return cards, report


def _with_cards(versions: Mapping[str, ModelVersion], cards: Mapping[str, ModelCard]) -> dict[str, ModelVersion]:
    return {network: replace(version, card=cards[network]) for network, version in versions.items()}


def _with_thresholds(card: ModelCard, thresholds: Mapping[str, float]) -> ModelCard:
    return card.model_copy(update={"thresholds": {**card.thresholds, **thresholds}})


def _with_reference(card: ModelCard, judgements: Sequence[PhotoJudgement]) -> ModelCard:
    """Put into a gate's card what the real photos look like, if there are damaged and undamaged ones."""
    own = [judged for judged in judgements if not judged.photo.is_rendered]
    is_damaged = np.array([judged.photo.damage_level == 1 for judged in own], bool)
    if is_damaged.all() or not is_damaged.any():
        return card
    scores = np.array([judged.gate_score for judged in own], np.float64)
    brightness = np.array([judged.luminance / 255 for judged in own], np.float64)
    return card.model_copy(update={"reference": build_reference(scores, brightness, is_damaged)})


def _with_measures(card: ModelCard, report: Mapping[str, Mapping[str, Any]], suffix: str) -> ModelCard:
    """Put into a card what the report says of its network, each name ending in sample and split."""
    measures = {
        f"{name}_{sample}_{suffix}": round(value, 4)
        for sample, sections in report.items()
        for name, value in _own_measures(card.network, sections).items()
        if isinstance(value, int | float)
    }
    return card.model_copy(update={"metrics": {**card.metrics, **measures}})


def _own_measures(network: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of one network, by the name they have in its card."""
    if network == "localizer":
        return {f"localizer_{name}": value for name, value in sections["localizer"].items()}
    if network == "gate":
        across, within = sections["gate"]["across_sources"], sections["gate"]["within_source"]
        return {
            **{f"gate_{name}": value for name, value in across.items()},
            **{f"gate_within_source_{name}": value for name, value in within.items()},
        }
    return {
        **sections["segmentation"],
        **{f"end_to_end_{name}": value for name, value in sections["end_to_end"].items()},
    }
