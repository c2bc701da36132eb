"""evaluation: every detector is judged on val, and each arm's ratio is chosen; the test stays closed.

In:   the folders of dataset and detectors. Out: evaluation.json: the table of each detector, the ratio of each arm.
Must not know: how photos were made, networks, measures of test.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from models.data.photos import DataError
from models.evaluation.detection.table import evaluate_detections
from models.evaluation.proof.arms import ARMS, BASELINE
from models.evaluation.proof.ratio import ChosenRatio, RatioOnVal, choose_ratio
from models.job.dataset import load_dataset_step
from models.job.detector import STEP as DETECTOR_STEP
from models.job.detector import annotations_of, load_detections
from models.steps.step_folder import StepDone, check_made_of, load_step, run_step

STEP: Final = "evaluation"
EVALUATION_NAME: Final = "evaluation.json"
_FOLDER_NAME: Final = re.compile(rf"({'|'.join(ARMS)})-(\d+)-seed(\d+)")


@dataclass(frozen=True)
class TrainedArm:
    """One detector.

    Attributes:
        arm: one of the proof's arms.
        ratio: photos added over photos of train; 0 for the baseline.
        seed: of its training.
        folder: the detector step's.
    """

    arm: str
    ratio: float
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """Names its folder in a job: arm, percent and seed."""
        return f"{self.arm}-{round(100 * self.ratio)}-seed{self.seed}"


def name_start(seed: int) -> str:
    """Names the folder of the detector that all of one seed start from."""
    return f"start-seed{seed}"


def place_trained(arm: str, ratio: float, seed: int, detectors: Path) -> TrainedArm:
    """Say where one detector's folder is among those of its job."""
    own = TrainedArm(arm, ratio, seed, detectors)
    return replace(own, folder=detectors / own.name)


def find_trained(detectors: Path) -> list[TrainedArm]:
    """The detectors of a folder whose folders are named as TrainedArm.name has it; others are passed by.

    Raises:
        DataError: there is none.
    """
    matches = {path: _FOLDER_NAME.fullmatch(path.name) for path in sorted(detectors.glob("*-*-seed*"))}
    found = [TrainedArm(match[1], int(match[2]) / 100, int(match[3]), path) for path, match in matches.items() if match]
    if not found:
        raise DataError(f"detectors: expected folders such as {BASELINE}-0-seed1 in {detectors}, found none")
    return found


def evaluate_detectors(dataset: Path, trained: Sequence[TrainedArm], out: Path) -> StepDone:
    """Do the step.

    Returns:
        The step; its result names the detectors.

    Raises:
        DataError: no baseline, an arm without all of the baseline's seeds, a detector that is not what its folder's
            name says or was trained on another dataset, or out holds other work.
    """
    inputs = {"dataset": dataset, **{own.name: own.folder for own in trained}}

    def work(folder: Path, _scratch: Path) -> Mapping[str, Any]:
        _check_seeds(trained)
        data = load_dataset_step(dataset)
        for own in trained:
            _check_told(own, dataset, len(data.choose("train")))
        name, truth = data.class_names[data.class_id], annotations_of(data.choose("val"))
        tables: dict[str, Any] = {}
        measured: defaultdict[str, defaultdict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
        for own in trained:
            table = evaluate_detections(load_detections(own.folder, "val"), truth, data.class_names)
            tables[own.name] = {
                "overall": asdict(table.overall),
                "per_class": {label: asdict(row) for label, row in table.per_class.items()},
                "confusion": table.confusion.counts.tolist(),
            }
            if own.arm != BASELINE:
                measured[own.arm][own.ratio].append(table.per_class[name].ap_50)
        chosen = {
            arm: choose_ratio([RatioOnVal(ratio, tuple(values)) for ratio, values in by_ratio.items()])
            for arm, by_ratio in measured.items()
        }
        told = {"val": tables, "chosen": {arm: asdict(ratio) for arm, ratio in chosen.items()}}
        (folder / EVALUATION_NAME).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        return {
            "detectors": sorted(tables),
            "chosen_ratio": {arm: ratio.ratio for arm, ratio in chosen.items()},
        }

    return run_step(out, STEP, {}, inputs, work)


def load_val_tables(folder: Path) -> Mapping[str, Any]:
    """Each detector's table on val, by its name.

    Raises:
        DataError: the step is not complete.
    """
    load_step(folder, STEP)
    return json.loads((folder / EVALUATION_NAME).read_text(encoding="utf-8"))["val"]


def load_chosen(folder: Path) -> dict[str, ChosenRatio]:
    """The ratio of each arm but the baseline, chosen by the class's AP at IoU 0.5 on val.

    Raises:
        DataError: the step is not complete.
    """
    load_step(folder, STEP)
    told = json.loads((folder / EVALUATION_NAME).read_text(encoding="utf-8"))
    return {
        arm: ChosenRatio(
            own["ratio"], tuple(RatioOnVal(c["ratio"], tuple(c["ap_50_val_by_seed"])) for c in own["candidates"])
        )
        for arm, own in told["chosen"].items()
    }


def _check_told(own: TrainedArm, dataset: Path, photos: int) -> None:
    """A folder's name says what its detector is; the detector's own record has to say the same.

    Raises:
        DataError: it was trained on another dataset, or is of another arm, ratio or seed.
    """
    check_made_of(own.folder, dataset=dataset)
    done = load_step(own.folder, DETECTOR_STEP)
    expected = {"arm": own.arm, "added_photos": count_added(own.ratio, photos), "seed": own.seed}
    found = {"arm": done.result["arm"], "added_photos": done.result["added_photos"], "seed": done.options["seed"]}
    for name, value in expected.items():
        if found[name] != value:
            raise DataError(f"{own.folder}: {name}: expected {value!r} by its name, found {found[name]!r}")


def count_added(ratio: float, photos: int) -> int:
    """Photos that an arm adds to so many of train, one at least; 0 for the baseline."""
    return max(round(ratio * photos), 1) if ratio else 0


def _check_seeds(trained: Sequence[TrainedArm]) -> None:
    """Arms are compared pair by pair: each arm and ratio needs the baseline's seeds."""
    seeds: defaultdict[tuple[str, float], list[int]] = defaultdict(list)
    for own in trained:
        seeds[own.arm, own.ratio].append(own.seed)
    expected = sorted(seeds.get((BASELINE, 0.0), []))
    if not expected:
        raise DataError("arms: expected a baseline of ratio 0, found none")
    for (arm, ratio), found in seeds.items():
        if sorted(found) != expected:
            raise DataError(
                f"{arm} at ratio {ratio:g}: expected the baseline's seeds {expected}, found {sorted(found)}"
            )
