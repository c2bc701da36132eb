"""promotion: the test is opened once, and an arm is promoted if its gain is proven.

In:   the folders of dataset and evaluation, and every trained detector's. Out: decision.json: the table of arms, gains
      with their intervals, confusion matrices, the decision in words; weights.pt of what is promoted, if anything is.
Must not know: how photos were made, networks.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import DataError
from models.evaluation.detection.table import DetectionTable, evaluate_detections
from models.evaluation.proof.arms import ARMS
from models.evaluation.proof.comparison import ArmOnTest, Comparison, JudgingRule, judge_values, resample_arms
from models.evaluation.proof.gain import PairedGain
from models.evaluation.proof.null import promotion_rate_when_shuffled
from models.evaluation.proof.ratio import ChosenRatio
from models.job.dataset import JobData, load_dataset_step
from models.job.detector import WEIGHTS_NAME, annotations_of, load_detections
from models.job.evaluation import STEP as EVALUATION_STEP
from models.job.evaluation import TrainedArm, load_chosen, load_val_tables
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step

STEP: Final = "promotion"
DECISION_NAME: Final = "decision.json"


@dataclass(frozen=True)
class ProofOptions:
    """What the decision depends on beside the detectors; fixed before the test is opened.

    Attributes:
        alpha: accepted chance of a false promotion.
        seed_spread: own or pooled, as JudgingRule has it.
        replicates: draws of photos.
        shuffles: worlds of the null test.
        seed: of every draw.
    """

    alpha: float = 0.05
    seed_spread: str = "own"
    replicates: int = 2000
    shuffles: int = 200
    seed: int = 0


def decide_promotion(
    dataset: Path, evaluation: Path, trained: Sequence[TrainedArm], out: Path, options: ProofOptions
) -> StepDone:
    """Do the step.

    Args:
        dataset: the dataset step's folder.
        evaluation: the evaluation step's, of the same detectors: what entered the test was chosen there.
        trained: every detector.
        out: the step's folder.
        options: of the proof.

    Raises:
        DataError: the evaluation is of other detectors, an input is incomplete, or out holds other work.
    """
    inputs = {"dataset": dataset, "evaluation": evaluation, **{own.name: own.folder for own in trained}}

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        data = load_dataset_step(dataset)
        if load_step(evaluation, EVALUATION_STEP).result["detectors"] != sorted(own.name for own in trained):
            raise DataError(f"evaluation: {evaluation} is of other detectors")
        check_made_of(evaluation, dataset=dataset, **{own.name: own.folder for own in trained})
        chosen = load_chosen(evaluation)
        on_test = _open_test(data, trained, chosen)
        rule = JudgingRule(
            data.class_names, data.class_names[data.class_id], alpha=options.alpha, seed_spread=options.seed_spread
        )
        rng = np.random.default_rng(options.seed)
        arms = [
            ArmOnTest(arm, chosen.get(arm), tuple(table.matches for table in tables)) for arm, tables in on_test.items()
        ]
        scenes = [photo.scene for photo in data.choose("test")]
        values = resample_arms(arms, scenes, rule, rng, replicates=options.replicates)
        comparison = judge_values(values, rule, rng)
        null_rate = promotion_rate_when_shuffled(values, rule, rng, shuffles=options.shuffles)
        told = _tell(data, chosen, on_test, comparison, rule) | {"null_promotion_rate": null_rate}
        (folder / DECISION_NAME).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        promoted = _choose_detector(trained, told["promoted_arm"], chosen, evaluation, data)
        if promoted is not None:
            shutil.copy2(promoted.folder / WEIGHTS_NAME, folder / WEIGHTS_NAME)
        return {
            "promoted_arm": told["promoted_arm"],
            "promoted_detector": promoted.name if promoted else None,
            "reasons": told["reasons"],
        }

    return run_step(out, STEP, asdict(options), inputs, work)


def load_decision(folder: Path) -> Mapping[str, Any]:
    """Open the folder of the step.

    Raises:
        DataError: it is not complete.
    """
    load_step(folder, STEP)
    return json.loads((folder / DECISION_NAME).read_text(encoding="utf-8"))


def _choose_detector(
    trained: Sequence[TrainedArm], arm: str | None, chosen: Mapping[str, ChosenRatio], evaluation: Path, data: JobData
) -> TrainedArm | None:
    """Of the promoted arm the detector of the seed that val likes best."""
    if arm is None:
        return None
    name, tables = data.class_names[data.class_id], load_val_tables(evaluation)
    own = [one for one in trained if (one.arm, one.ratio) == (arm, chosen[arm].ratio)]
    return max(own, key=lambda one: tables[one.name]["per_class"][name]["ap_50"])


def _open_test(
    data: JobData, trained: Sequence[TrainedArm], chosen: Mapping[str, ChosenRatio]
) -> dict[str, list[DetectionTable]]:
    """Every arm's detectors at its chosen ratio on the test, by seed."""
    truth = annotations_of(data.choose("test"))
    opened: dict[str, list[DetectionTable]] = {}
    for arm in ARMS:
        ratio = chosen[arm].ratio if arm in chosen else 0.0
        own = sorted((t for t in trained if (t.arm, t.ratio) == (arm, ratio)), key=lambda t: t.seed)
        if own:
            opened[arm] = [evaluate_detections(load_detections(t.folder, "test"), truth, data.class_names) for t in own]
    return opened


def _tell(
    data: JobData,
    chosen: Mapping[str, ChosenRatio],
    on_test: Mapping[str, Sequence[DetectionTable]],
    comparison: Comparison,
    rule: JudgingRule,
) -> dict[str, Any]:
    name = data.class_names[data.class_id]
    arms: dict[str, Any] = {}
    for arm, tables in on_test.items():
        rows = [asdict(table.per_class[name]) for table in tables]
        arms[arm] = {
            "ratio": chosen[arm].ratio if arm in chosen else 0.0,
            "val_ap_50_by_ratio": {f"{c.ratio:g}": c.ap_50_val for c in chosen[arm].candidates}
            if arm in chosen
            else {},
            "test_by_seed": rows,
            "test_mean": {key: float(np.mean([row[key] for row in rows])) for key in rows[0]},
            "confusion": np.sum([table.confusion.counts for table in tables], axis=0).tolist(),
            "gain": _tell_gain(comparison.gains[arm]) if arm in comparison.gains else None,
            "per_class_change": comparison.per_class.get(arm, {}),
            "over_controls": {other: _tell_gain(gain) for other, gain in comparison.over_controls.get(arm, {}).items()},
        }
    decision = comparison.decision
    return {
        "metric": rule.metric_name,
        "promoted_arm": decision.promoted_arm,
        "reasons": list(decision.reasons),
        "p_adjusted": {verdict.arm: verdict.p_adjusted for verdict in decision.verdicts},
        "arms": arms,
        "class_names": list(data.class_names),
        "test_photos": len(data.choose("test")),
    }


def _tell_gain(gain: PairedGain) -> dict[str, Any]:
    return {name: getattr(gain, name) for name in ("value", "low", "high", "p_value", "seeds")}
