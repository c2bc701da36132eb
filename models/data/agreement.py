"""Agreement of raters: what two see alike is a label; the rest is discarded, made neutral, or decided by a third.

In:   records of the same photos by two raters, or three. Out: agreed records, and how far the raters agreed.
Must not know: files, networks.

Source: SEEDS D4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.data.photos import DataError
from models.structures import DAMAGE_CLASSES, class_name_of, rasterise_polygons

POLICIES: Final[tuple[str, ...]] = ("discard", "neutral", "third")
NEUTRAL: Final = "neutral"
IOU_THRESHOLD: Final = 0.5

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Agreement:
    """What is left when raters were compared.

    Attributes:
        records: photos whose damage_level is settled, with the regions that are; neutral regions are in other_regions.
        neutral: photos of the neutral class: their damage_level is None, all regions in other_regions.
        discarded: image_id of the photos that were left out.
        report: counts, Cohen's kappa, mean IoU of matched regions.
    """

    records: tuple[dict[str, Any], ...]
    neutral: tuple[dict[str, Any], ...]
    discarded: tuple[str, ...]
    report: dict[str, Any]


def cohen_kappa(labels_a: Sequence[Any], labels_b: Sequence[Any]) -> float:
    """Agreement of two raters beyond chance.

    Args:
        labels_a: the first rater's label of each item.
        labels_b: the second rater's, in the same order.

    Returns:
        1 agreement, 0 as by chance, below 0 less; NaN where both only ever gave one and the same label, or nothing.

    Source: Cohen 1960, A coefficient of agreement for nominal scales: (p_o - p_e) / (1 - p_e).
    """
    if len(labels_a) != len(labels_b):
        raise ValueError(f"labels: expected equally many from both raters, found {len(labels_a)} and {len(labels_b)}")
    names = sorted(set(labels_a) | set(labels_b))
    table = np.zeros((len(names), len(names)))
    for a, b in zip(labels_a, labels_b, strict=True):
        table[names.index(a), names.index(b)] += 1
    total = table.sum()
    by_chance = float(table.sum(axis=0) @ table.sum(axis=1)) / total**2 if total else 1.0
    return float("nan") if by_chance >= 1 else (float(np.trace(table)) / total - by_chance) / (1 - by_chance)


def settle_label(labels: Sequence[int], policy: str) -> int | str | None:
    """Settle one label.

    Args:
        labels: the first two raters', and for the policy "third" the third's.
        policy: one of POLICIES.

    Returns:
        The label of the two that agree; else None (discard), NEUTRAL, or the majority's, None if all three differ.
    """
    first, second = labels[:2]
    if first == second:
        return first
    if policy == NEUTRAL:
        return NEUTRAL
    if policy == "third" and labels[2] in (first, second):
        return labels[2]
    return None


def match_regions(
    regions_a: Sequence[Record], regions_b: Sequence[Record], size_hw: tuple[int, int], *, iou_threshold: float
) -> list[tuple[int, int, float]]:
    """Pair the regions of one photo that two raters drew of the same damage; each is in one pair at most.

    Args:
        regions_a: with points and class_name, photo pixels.
        regions_b: likewise.
        size_hw: the photo's height and width.
        iou_threshold: regions of one class whose masks overlap so much or more are the same.

    Returns:
        (index in a, index in b, IoU), the pairs of greatest IoU first.
    """
    masks_a, masks_b = (
        [rasterise_polygons([r["points"]], size_hw) for r in regions] for regions in (regions_a, regions_b)
    )
    candidates = []
    for i, (a, mask_a) in enumerate(zip(regions_a, masks_a, strict=True)):
        for j, (b, mask_b) in enumerate(zip(regions_b, masks_b, strict=True)):
            union = int((mask_a | mask_b).sum())
            iou = int((mask_a & mask_b).sum()) / union if union else 0.0
            if a["class_name"] == b["class_name"] and iou >= iou_threshold:
                candidates.append((iou, i, j))
    pairs: list[tuple[int, int, float]] = []
    taken_a, taken_b = set(), set()
    for iou, i, j in sorted(candidates, key=lambda c: (-c[0], c[1], c[2])):
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            pairs.append((i, j, iou))
    return pairs


def agree(
    rater_a: Sequence[Record],
    rater_b: Sequence[Record],
    rater_c: Sequence[Record] | None = None,
    *,
    policy: str,
    iou_threshold: float = IOU_THRESHOLD,
) -> Agreement:
    """Compare raters photo by photo.

    An agreed region has the first agreeing rater's outline. A region that only one rater drew is left out (discard),
    goes to other_regions, which is neither damage nor background (neutral), or stays if the third drew it too (third).

    Args:
        rater_a: records in the seed's schema with width and height.
        rater_b: of the same photos, in any order.
        rater_c: for the policy "third"; of all photos or only of those in dispute.
        policy: one of POLICIES.
        iou_threshold: overlap from which two regions of one class are the same.

    Raises:
        DataError: unknown policy, the policy "third" without a third rater or the reverse, photos that one rater lacks.
    """
    if policy not in POLICIES:
        raise DataError(f"policy: expected one of {', '.join(POLICIES)}, found {policy!r}")
    if (policy == "third") != (rater_c is not None):
        raise DataError("third: expected a third rater with the policy third, and with no other")
    by_a, by_b, by_c = (_index(name, r) for name, r in (("A", rater_a), ("B", rater_b), ("third", rater_c or ())))
    if missing := [f"{i}: only rater {'A' if i in by_a else 'B'} has it" for i in sorted(by_a.keys() ^ by_b.keys())]:
        raise DataError("\n".join(missing))
    settled = [_settle_photo(a, by_b[i], by_c.get(i), policy, iou_threshold) for i, a in by_a.items()]
    if unseen := [s.record["image_id"] for s in settled if s.lacks_third]:
        raise DataError("\n".join(f"{i}: in dispute, and the third rater has not seen it" for i in unseen))
    return Agreement(
        tuple(s.record for s in settled if s.level in (0, 1)),
        tuple(s.record for s in settled if s.level == NEUTRAL),
        tuple(s.record["image_id"] for s in settled if s.level is None),
        {
            "policy": policy,
            "iou_threshold": iou_threshold,
            **_report_levels(settled),
            **_report_kappas(list(by_a.values()), [by_b[i] for i in by_a]),
            **_report_regions(settled),
        },
    )


@dataclass(frozen=True)
class _SettledPhoto:
    """One photo's outcome; `drawn` counts the regions of a and b, `ious` their pairs."""

    record: dict[str, Any]
    level: int | str | None
    is_level_agreed: bool
    lacks_third: bool
    drawn: int
    ious: tuple[float, ...]
    confirmed: int


def _settle_photo(a: Record, b: Record, c: Record | None, policy: str, iou_threshold: float) -> _SettledPhoto:
    size_hw = (int(a["height"]), int(a["width"]))
    pairs = match_regions(a["regions"], b["regions"], size_hw, iou_threshold=iou_threshold)
    alone = [r for i, r in enumerate(a["regions"]) if i not in {pair[0] for pair in pairs}]
    alone += [r for j, r in enumerate(b["regions"]) if j not in {pair[1] for pair in pairs}]
    levels = [int(a["damage_level"]), int(b["damage_level"])]
    is_agreed = levels[0] == levels[1]
    confirmed = []
    if policy == "third" and c is not None:
        seen = match_regions(alone, c["regions"], size_hw, iou_threshold=iou_threshold)
        confirmed = [alone[i] for i, _, _ in sorted(seen)]
        levels.append(int(c["damage_level"]))
    lacks_third = policy == "third" and c is None and bool(alone or not is_agreed)
    level = None if lacks_third else settle_label(levels, policy)
    regions = [a["regions"][i] for i, _, _ in sorted(pairs)] + confirmed
    others = list(a.get("other_regions", ()))
    others += [r for r in b.get("other_regions", ()) if r not in others] + (alone if policy == NEUTRAL else [])
    if level == NEUTRAL:
        record = {**a, "damage_level": None, "regions": [], "other_regions": others + regions}
    else:  # a majority for "undamaged" leaves no damage to outline
        record = {**a, "damage_level": level, "regions": regions if level else [], "other_regions": others}
    drawn, ious = len(a["regions"]) + len(b["regions"]), tuple(iou for _, _, iou in pairs)
    return _SettledPhoto(record, level, is_agreed, lacks_third, drawn, ious, len(confirmed))


def _report_levels(settled: Sequence[_SettledPhoto]) -> dict[str, int]:
    return {
        "photos": len(settled),
        "photos_level_agreed": sum(s.is_level_agreed for s in settled),
        "photos_kept": sum(s.level in (0, 1) for s in settled),
        "photos_neutral": sum(s.level == NEUTRAL for s in settled),
        "photos_discarded": sum(s.level is None for s in settled),
    }


def _report_kappas(rater_a: Sequence[Record], rater_b: Sequence[Record]) -> dict[str, float | None]:
    kappas = {"damage_level": cohen_kappa(*([r["damage_level"] for r in rater] for rater in (rater_a, rater_b)))}
    for class_id in range(1, len(DAMAGE_CLASSES) + 1):
        kappas[f"{class_name_of(class_id)}_shown"] = cohen_kappa(_shows(rater_a, class_id), _shows(rater_b, class_id))
    return {f"kappa_{name}": None if np.isnan(kappa) else kappa for name, kappa in kappas.items()}  # JSON knows no NaN


def _report_regions(settled: Sequence[_SettledPhoto]) -> dict[str, Any]:
    drawn, ious = sum(s.drawn for s in settled), [iou for s in settled for iou in s.ious]
    return {
        "regions_drawn": drawn,
        "regions_matched": len(ious),
        "regions_confirmed_by_third": sum(s.confirmed for s in settled),
        "regions_unsettled": drawn - 2 * len(ious) - sum(s.confirmed for s in settled),
        "region_f1": 2 * len(ious) / drawn if drawn else None,
        "matched_mean_iou": float(np.mean(ious)) if ious else None,
    }


def _index(name: str, records: Sequence[Record]) -> dict[str, Record]:
    by_id = {record["image_id"]: record for record in records}
    if len(by_id) != len(records):
        raise DataError(f"rater {name}: expected each image_id once, found {len(records) - len(by_id)} repeated")
    return by_id


def _shows(records: Sequence[Record], class_id: int) -> list[bool]:
    return [any(region["class_name"] == class_id for region in record["regions"]) for record in records]
