"""The numbers of a job's report, each as its step told it.

In:   the steps of a finished job. Out: JSON values, no NaN. Timings and places on the disk are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.evaluation.run import drop_nan
from models.job.report.folders import START, JobSteps
from models.steps.step_folder import StepDone

SINGULAR: Final = "fid_is_singular"
"""Beside the measures of a snapshot: a flag, no distance."""
DISTANCES: Final = ("kid", "fid")
_GAN_OPTIONS: Final = ("canvas_px", "is_rgba", "augment", "batch_size", "seed")


def collect_numbers(steps: JobSteps) -> dict[str, Any]:
    """Gather what the steps told.

    Returns:
        "class_name", "data", "crops", "generation", "kid", "fid", "screening", "extraction", "placement", "augmented",
        "arms", "detector" and "decision".
    """
    by_name, decision = steps.by_name, steps.decision
    data = by_name["dataset"].result
    report = {
        "class_name": data["class_name"],
        "data": {name: data[name] for name in ("class_names", "photos", "instances", "turned")},
        "crops": _pick(by_name["crops"].options, "canvas_px", "alpha") | dict(by_name["crops"].result),
        "generation": {mapping: _last_snapshot(step) for mapping, step in steps.gans.items()},
        **{kind: _curves(steps, kind) for kind in DISTANCES},
        "screening": by_name["screening"].result,
        "extraction": {name: {"mode": step.options["mode"], **step.result} for name, step in steps.extractions.items()},
        "placement": _pick(by_name["placement"].options, "density", "overlap", "max_overlap")
        | dict(by_name["placement"].result),
        "augmented": {
            arm: _pick(step.options, "blend", "match_strength") | dict(step.result)
            for arm, step in steps.augmented.items()
        },
        "arms": {
            arm: {**told, "p_adjusted": decision["p_adjusted"].get(arm)} for arm, told in decision["arms"].items()
        },
        "detector": _detector(steps, data["class_name"]),
        "decision": _pick(decision, "promoted_arm", "reasons", "metric", "null_promotion_rate", "test_photos"),
    }
    return drop_nan(report)


def _curves(steps: JobSteps, kind: str) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Measure to mapping to points (images, value), of all measures of one kind."""
    curves: dict[str, dict[str, list[dict[str, float]]]] = {}
    for mapping, step in steps.gans.items():
        for point in step.result["snapshots"]:
            for measure in point:
                if measure.startswith(f"{kind}_") and measure != SINGULAR:
                    points = curves.setdefault(measure, {}).setdefault(mapping, [])
                    points.append({"images": point["images"], "value": point[measure]})
    return curves


def _last_snapshot(step: StepDone) -> dict[str, Any]:
    """How the GAN was trained, and what its last snapshot told beside the distances."""
    last = step.result["snapshots"][-1]
    others = {name: value for name, value in last.items() if name == SINGULAR or name.split("_")[0] not in DISTANCES}
    return _pick(step.options, *_GAN_OPTIONS) | others


def _detector(steps: JobSteps, class_name: str) -> dict[str, Any]:
    """How every detector was trained; arms differ in their photos alone."""
    options = next(iter(steps.baseline.values())).options
    start = steps.by_name.get(START)
    return {
        "cfg": Path(options["cfg"]).name,
        "weights_sha256": options["weights"],
        "start_epochs": start.options["epochs"] if start else 0,
        **_pick(options, "epochs", "batch_size", "input_px"),
        "seeds": [step.options["seed"] for step in steps.baseline.values()],
        "baseline_val_ap_50": float(
            np.mean([steps.val[name]["per_class"][class_name]["ap_50"] for name in steps.baseline])
        ),
    }


def _pick(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: mapping[name] for name in names}
