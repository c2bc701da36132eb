"""Splits photos into train, val and test: whole cars first, then even in class and damaged area.

A car, and whatever looks like one of its photos, lies in one split. Among the ways to deal the cars out, the one chosen
gives each split its share of every stratum: class by damaged-area ratio, damage of unknown place, no damage.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from models.data.formats.dataset import SPLIT_NAMES
from models.data.near_duplicates import find_first, join
from models.data.photos import AnnotatedPhoto, DataError, load_masks
from models.structures import DAMAGE_CLASSES

AREA_BINS: Final = 3
"""Of the damaged-area ratio of a class: small, middle and large thirds of the photos that show it."""


def parse_ratios(text: str) -> dict[str, float]:
    """Read "8:1:1", or "4:1" for train and val alone.

    Returns:
        Split name to its share of the photos; the shares sum to 1.

    Raises:
        DataError: not two or three positive numbers.
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 2 <= len(parts) <= len(SPLIT_NAMES) or not all(0 < part < np.inf for part in parts):
        raise DataError(f"ratios: expected two or three positive numbers like 8:1:1, found {text!r}")
    return {name: part / sum(parts) for name, part in zip(SPLIT_NAMES, parts, strict=False)}


def join_groups(*keys: Sequence[Hashable]) -> np.ndarray:
    """Number the groups of items that share a key, directly or through other items.

    Args:
        keys: each one key an item, for example the vehicle's and the near-duplicate cluster's; None joins nothing.

    Returns:
        int64 (N,), 0 to groups - 1, in order of first appearance.
    """
    firsts = np.arange(len(keys[0]))
    for column in keys:
        seen: dict[Hashable, int] = {}
        for index, key in enumerate(column):
            if key is not None:
                join(firsts, seen.setdefault(key, index), index)
    roots = np.array([find_first(firsts, index) for index in range(len(firsts))], np.int64)
    return np.unique(roots, return_inverse=True)[1].reshape(-1)


def build_strata(photos: Sequence[AnnotatedPhoto], *, area_bins: int = AREA_BINS) -> tuple[np.ndarray, list[str]]:
    """Tell which strata each photo lies in.

    Args:
        photos: annotated photos.
        area_bins: bins of each class's damaged-area ratio, with equally many photos.

    Returns:
        bool (N, L), and the L names: "undamaged", "damaged_unknown_where", "other_damage", "scratch_area_1" (the
        smallest) …; strata that no photo lies in are left out.
    """
    columns: dict[str, np.ndarray] = {
        "undamaged": np.array([p.damage_level == 0 for p in photos], bool),
        "damaged_unknown_where": np.array([not p.has_regions for p in photos], bool),
        "other_damage": np.array([bool(p.other_polygons) for p in photos], bool),
    }
    ratios = np.array([measure_area_ratios(p) for p in photos], np.float64).reshape(-1, len(DAMAGE_CLASSES))
    for channel, name in enumerate(DAMAGE_CLASSES):
        shown = np.array([any(class_id == channel + 1 for class_id, _ in p.polygons) for p in photos], bool)
        bins = bin_evenly(ratios[shown, channel], area_bins)
        for number in range(area_bins):
            column = np.zeros(len(photos), bool)
            column[np.flatnonzero(shown)[bins == number]] = True
            columns[f"{name}_area_{number + 1}"] = column
    filled = {name: column for name, column in columns.items() if column.any()}
    return np.stack(list(filled.values()), axis=1), list(filled)


def measure_area_ratios(photo: AnnotatedPhoto) -> tuple[float, ...]:
    """Damaged share of a photo's pixels, one number a class."""
    if not photo.polygons:
        return (0.0,) * len(DAMAGE_CLASSES)
    return tuple(float(share) for share in load_masks(photo).mean(axis=(1, 2)))


def bin_evenly(values: np.ndarray, bins: int) -> np.ndarray:
    """Put values into bins of equally many; float (N,) to int (N,), equal values in one bin."""
    if not len(values):
        return np.zeros(0, np.int64)
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="left")


def split_groups(groups: np.ndarray, strata: np.ndarray, shares: Mapping[str, float], *, seed: int) -> list[str]:
    """Deal groups out to splits, so that each split gets its share of the photos and of every stratum.

    Args:
        groups: int (N,), the group of each photo, 0 to G - 1.
        strata: bool (N, L).
        shares: split name to its share; positive.
        seed: decides between equally good choices.

    Returns:
        Split name of each photo.

    Raises:
        DataError: fewer groups than splits.

    Source: Sechidis et al. 2011, On the stratification of multi-label data, ECML, algorithm 1.
    Here: a group with its counts takes the place of a photo with its labels, the largest of the scarcest stratum
    first; a last pass moves single groups as long as that brings all counts closer to what is wanted.
    """
    group_count = int(groups.max()) + 1 if len(groups) else 0
    if group_count < len(shares):
        raise DataError(f"split: expected at least {len(shares)} groups of photos, found {group_count}")
    filled = strata[:, strata.any(axis=0)]
    counts = np.zeros((group_count, filled.shape[1] + 1))  # (G, L + 1), the last column counts photos
    np.add.at(counts, groups, np.concatenate([filled, np.ones((len(groups), 1))], axis=1))
    share = np.array(list(shares.values())) / sum(shares.values())
    wanted = share[:, None] * counts.sum(axis=0)  # (S, L + 1)
    chosen = _deal(counts, wanted.copy(), np.random.default_rng(seed))
    _improve(chosen, counts, wanted)
    names = list(shares)
    return [names[chosen[group]] for group in groups]


def _deal(counts: np.ndarray, lacking: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose a split for each group; lacking, float (S, L + 1), is what each split still wants, and is used up."""
    chosen = np.full(len(counts), -1)
    order = rng.permutation(len(counts))
    while (free := order[chosen[order] < 0]).size:
        left = counts[free].sum(axis=0)
        left[left == 0] = np.inf
        stratum = int(left.argmin())
        holders = free[counts[free, stratum] > 0]
        holders = holders[np.argsort(-counts[holders, stratum], kind="stable")]
        for group in holders:
            need, room = lacking[:, stratum], lacking[:, -1]
            best = np.lexsort((-room, -need))[0]
            chosen[group] = best
            lacking[best] -= counts[group]
    return chosen


def _improve(chosen: np.ndarray, counts: np.ndarray, wanted: np.ndarray) -> None:
    """Fill empty splits, then move single groups while the misfit shrinks; chosen, int (G,), is changed in place.

    The misfit is the chi-square sum over splits and strata of (held - wanted)^2 / wanted.
    """
    splits = len(wanted)
    held = np.stack([counts[chosen == s].sum(axis=0) for s in range(splits)])
    members = np.bincount(chosen, minlength=splits)
    for empty in np.flatnonzero(members == 0):
        donors = np.flatnonzero(members[chosen] > 1)
        group = donors[counts[donors, -1].argmin()]
        _move(group, empty, chosen, counts, held, members)
    is_moving = True
    while is_moving:
        is_moving = False
        for group, count in enumerate(counts):
            here = chosen[group]
            if members[here] == 1:
                continue
            excess = (held - wanted) / wanted
            # leaving `here` and entering s changes the misfit by the difference of two squares each
            leave = ((count**2 / wanted[here]) - 2 * count * excess[here]).sum()
            enter = ((count**2 / wanted) + 2 * count * excess).sum(axis=1)
            enter[here] = np.inf
            there = int(enter.argmin())
            if leave + enter[there] < -1e-9:
                _move(group, there, chosen, counts, held, members)
                is_moving = True


def _move(
    group: int, there: int, chosen: np.ndarray, counts: np.ndarray, held: np.ndarray, members: np.ndarray
) -> None:
    here = chosen[group]
    held[here] -= counts[group]
    held[there] += counts[group]
    members[here] -= 1
    members[there] += 1
    chosen[group] = there


def describe_split(
    groups: np.ndarray, strata: np.ndarray, names: Sequence[str], splits: Sequence[str], shares: Mapping[str, float]
) -> dict[str, Any]:
    """Report how a split came out.

    Args:
        groups: int (N,).
        strata: bool (N, L).
        names: of the L strata.
        splits: of the N photos.
        shares: split name to the wanted share.

    Returns:
        For each split its photos, groups and the photos of each stratum; worst_share_error, the largest distance
        between a stratum's share in a split and the wanted one.
    """
    chosen = np.array(splits)
    totals = strata.sum(axis=0)
    report: dict[str, Any] = {"photos": len(chosen), "groups": len(np.unique(groups)), "splits": {}}
    errors = []
    for split, share in shares.items():
        inside = chosen == split
        counts = strata[inside].sum(axis=0)
        errors += [abs(float(count / total) - share) for count, total in zip(counts, totals, strict=True)]
        report["splits"][split] = {
            "wanted_share": share,
            "share": float(inside.mean()),
            "photos": int(inside.sum()),
            "groups": len(np.unique(groups[inside])),
            "strata": dict(zip(names, map(int, counts), strict=True)),
        }
    report["worst_share_error"] = max(errors, default=0.0)
    return report


def vehicle_keys(records: Iterable[Mapping[str, Any]]) -> list[str | None]:
    """The vehicle_id of each record, None where it has none."""
    return [str(record["vehicle_id"]) if record.get("vehicle_id") else None for record in records]
