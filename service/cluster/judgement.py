"""judgement: is a candidate as good as the incumbent, by what both did with the same traffic?

In:   Measures of both. Out: Verdict.
Must not know: where the numbers come from.
"""

import math
from dataclasses import dataclass
from typing import Final

_STANDARD_ERRORS: Final = 2.0
_MIN_FAILURES: Final = 5


@dataclass(frozen=True)
class Measures:
    """What the pods of one model set did during the canary.

    Attributes:
        photos: with a stored result, rejections included.
        judged: of them seen by the gate.
        let_through: of them let through by the gate.
        regions: of damage found.
        failures: attempts that went back to the queue.
        mean_s: time of a photo that goes through every stage: each stage's mean, summed; NaN: unknown. Buckets are too
            wide apart to tell a quantile's change.
    """

    photos: float
    judged: float
    let_through: float
    regions: float
    failures: float
    mean_s: float


@dataclass(frozen=True)
class Tolerances:
    """How far a candidate may lie off the incumbent, beyond chance.

    Attributes:
        min_photos: judged by each side before anything is decided.
        gate_rate: absolute difference, either way, of the share that the gate lets through.
        region_rate: relative difference, either way, of regions a photo.
        error_ratio: absolute rise of the share of attempts that failed.
        latency: relative rise of mean_s.
    """

    min_photos: int = 200
    gate_rate: float = 0.05
    region_rate: float = 0.25
    error_ratio: float = 0.01
    latency: float = 0.25


@dataclass(frozen=True)
class Finding:
    """One comparison: what each side has, and how large the difference may be."""

    name: str
    incumbent: float
    candidate: float
    difference: float
    limit: float

    @property
    def is_bad(self) -> bool:
        """Is the difference above its limit?"""
        return self.difference > self.limit

    def __str__(self) -> str:
        """One clause."""
        return (
            f"{self.name} {self.candidate:.4g} against {self.incumbent:.4g}, "
            f"off by {self.difference:.3g} of {self.limit:.3g} allowed"
        )


@dataclass(frozen=True)
class Verdict:
    """What the numbers say.

    Attributes:
        has_enough: both sides judged enough photos.
        is_failing: attempts fail so clearly more often that waiting would do harm.
        findings: every comparison.
        photos: judged by candidate and incumbent.
    """

    has_enough: bool
    is_failing: bool
    findings: tuple[Finding, ...]
    photos: tuple[int, int]

    @property
    def bad(self) -> str:
        """What is wrong, in one line; empty: nothing."""
        return "; ".join(str(finding) for finding in self.findings if finding.is_bad)

    def __str__(self) -> str:
        """One line."""
        return f"{self.photos[0]} photos against {self.photos[1]}: " + "; ".join(map(str, self.findings))


def judge(incumbent: Measures, candidate: Measures, tolerances: Tolerances) -> Verdict:
    """Compare both sides.

    A difference counts where it exceeds its tolerance by more than two standard errors of what chance does to two
    samples of that size: a small sample is forgiven more, never less.

    Args:
        incumbent: what serves.
        candidate: what is tried.
        tolerances: how far it may lie off.
    """
    errors = _compare_errors(incumbent, candidate, tolerances.error_ratio)
    findings = (
        _compare_gate(incumbent, candidate, tolerances.gate_rate),
        _compare_regions(incumbent, candidate, tolerances.region_rate),
        errors,
        _compare_latency(incumbent, candidate, tolerances.latency),
    )
    fewest = min(incumbent.judged, candidate.judged)
    return Verdict(
        has_enough=fewest >= tolerances.min_photos and math.isfinite(candidate.mean_s + incumbent.mean_s),
        is_failing=errors.is_bad,
        findings=findings,
        photos=(round(candidate.judged), round(incumbent.judged)),
    )


def _compare_gate(incumbent: Measures, candidate: Measures, tolerance: float) -> Finding:
    rates = [_ratio(side.let_through, side.judged) for side in (incumbent, candidate)]
    chance = _shares_differ(incumbent.let_through, incumbent.judged, candidate.let_through, candidate.judged)
    return Finding("gate rate", *rates, abs(rates[1] - rates[0]), tolerance + chance)


def _compare_regions(incumbent: Measures, candidate: Measures, tolerance: float) -> Finding:
    """Few photos hold all regions: photos with damage fall as if independently (Poisson), the regions on each are m in
    the mean and fall geometrically. The variance of all regions is then (2m - 1) times their number."""
    rates = [_ratio(side.regions, side.judged) for side in (incumbent, candidate)]
    spread = math.hypot(*(_ratio(_spread_of_regions(side), side.judged) for side in (incumbent, candidate)))
    return Finding(
        "regions a photo", *rates, abs(rates[1] - rates[0]), tolerance * rates[0] + _STANDARD_ERRORS * spread
    )


def _spread_of_regions(side: Measures) -> float:
    regions_each = max(_ratio(side.regions, side.let_through), 1.0)
    return math.sqrt(side.regions * (2 * regions_each - 1))


def _compare_errors(incumbent: Measures, candidate: Measures, tolerance: float) -> Finding:
    tries = [side.photos + side.failures for side in (incumbent, candidate)]
    rates = [_ratio(side.failures, total) for side, total in zip((incumbent, candidate), tries, strict=True)]
    chance = _shares_differ(incumbent.failures, tries[0], candidate.failures, tries[1])
    # Fewer failures than that are a pod's or a bucket's bad moment.
    difference = rates[1] - rates[0] if candidate.failures >= _MIN_FAILURES else 0.0
    return Finding("error ratio", *rates, difference, tolerance + chance)


def _compare_latency(incumbent: Measures, candidate: Measures, tolerance: float) -> Finding:
    difference = candidate.mean_s - incumbent.mean_s
    return Finding("mean seconds", incumbent.mean_s, candidate.mean_s, difference, tolerance * incumbent.mean_s)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _shares_differ(part_a: float, whole_a: float, part_b: float, whole_b: float) -> float:
    """Two standard errors of the difference of two shares, were there none (the pooled share's)."""
    if whole_a <= 0 or whole_b <= 0:
        return 1.0
    pooled = min((part_a + part_b) / (whole_a + whole_b), 1.0)
    return _STANDARD_ERRORS * math.sqrt(pooled * (1 - pooled) * (1 / whole_a + 1 / whole_b))
