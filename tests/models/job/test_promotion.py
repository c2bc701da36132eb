"""The proof over folders: detections are written by hand, photos are the tiny scenes."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.data.photos import DataError
from models.evaluation.detection.matching import PredictedBoxes
from models.job import detector
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.evaluation import TrainedArm, count_added, evaluate_detectors
from models.job.promotion import ProofOptions, decide_promotion, load_decision
from models.steps.step_folder import run_step
from tests.models.job.scenes import write_yolo

SEEDS = range(6)
FAST = ProofOptions(replicates=300, shuffles=40)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    copy_dataset(write_yolo(root / "source", train=12, val=12, test=40), "person", root / "dataset")
    return root / "dataset"


def write_detector(root, dataset, arm, ratio, seed, *, found):
    """A detector that sees every truck and a share of the persons: of val by the ratio, of test by `found`."""
    data = load_dataset_step(dataset)
    own = TrainedArm(arm, ratio, seed, root / "detectors" / f"{arm}-{round(100 * ratio)}-seed{seed}")
    out = own.folder

    def work(folder, scratch):
        for split in detector.JUDGED_SPLITS:
            rng = np.random.default_rng([seed, len(split)])  # the same photos are hard for every arm
            share = found if split == "test" else 0.5 + ratio
            preds = []
            for photo in data.choose(split):
                seen = (photo.class_ids == 0) | (rng.random(len(photo.class_ids)) < share)
                preds.append(PredictedBoxes(photo.boxes_xyxy[seen], np.full(seen.sum(), 0.9), photo.class_ids[seen]))
            detector._save(folder / detector._file_name(split), preds)
        (folder / detector.WEIGHTS_NAME).write_bytes(f"{arm} {ratio} {seed}".encode())
        return {"arm": arm, "added_photos": count_added(ratio, len(data.choose("train")))}

    run_step(out, detector.STEP, {"seed": seed}, {"dataset": dataset}, work)
    return own


def train(root, dataset, **found):
    """The baseline, which finds half of the persons, and arms by what they find at ratio 0.2; at 0.1 a little less."""
    trained = [write_detector(root, dataset, "baseline", 0.0, seed, found=0.5) for seed in SEEDS]
    for arm, share in found.items():
        for ratio in (0.1, 0.2):
            trained += [
                write_detector(root, dataset, arm, ratio, seed, found=share if ratio == 0.2 else 0.1) for seed in SEEDS
            ]
    return trained


def decide(dataset, trained, root, name="promotion"):
    evaluate_detectors(dataset, trained, root / f"{name}-evaluation")
    return decide_promotion(dataset, root / f"{name}-evaluation", trained, root / name, FAST)


def test_arm_that_finds_far_more_is_promoted_at_the_ratio_that_val_chose(dataset, tmp_path):
    trained = train(tmp_path, dataset, gan_screened=0.95, repeat=0.5)
    done = decide(dataset, trained, tmp_path)
    told = load_decision(tmp_path / "promotion")
    assert done.result["promoted_arm"] == told["promoted_arm"] == "gan_screened"
    assert told["metric"] == "ap_50 of person"
    arm = told["arms"]["gan_screened"]
    assert arm["ratio"] == 0.2
    assert set(arm["val_ap_50_by_ratio"]) == {"0.1", "0.2"}
    assert len(arm["test_by_seed"]) == len(SEEDS)
    assert arm["gain"]["low"] > 0.2
    assert arm["per_class_change"]["truck"] == pytest.approx(0)
    assert arm["over_controls"]["repeat"]["value"] == pytest.approx(arm["gain"]["value"], abs=1e-9)
    assert np.array(arm["confusion"]).shape == (3, 3)
    assert told["null_promotion_rate"] <= 0.2
    promoted = done.result["promoted_detector"]
    assert promoted.startswith("gan_screened-20-seed")
    assert (tmp_path / "promotion" / "weights.pt").read_text() == f"gan_screened 0.2 {promoted[-1]}"


def test_arm_that_finds_the_same_is_not_promoted_and_the_reason_says_so(dataset, tmp_path):
    trained = train(tmp_path, dataset, gan_screened=0.5)
    done = decide(dataset, trained, tmp_path)
    assert done.result["promoted_arm"] is None
    assert done.result["promoted_detector"] is None
    assert not (tmp_path / "promotion" / "weights.pt").exists()
    assert any("gan_screened" in reason for reason in done.result["reasons"])
    assert json.loads((tmp_path / "promotion" / "decision.json").read_text())["arms"]["baseline"]["gain"] is None


def test_decision_is_the_same_the_second_time(dataset, tmp_path):
    trained = train(tmp_path, dataset, gan_screened=0.8)
    first, second = (decide(dataset, trained, tmp_path, name) for name in "ab")
    assert first.digest == second.digest


def test_evaluation_of_other_detectors_is_refused(dataset, tmp_path):
    trained = train(tmp_path, dataset, repeat=0.6)
    evaluate_detectors(dataset, trained[: len(SEEDS)], tmp_path / "evaluation")
    with pytest.raises(DataError, match=r"evaluation: .* is of other detectors"):
        decide_promotion(dataset, tmp_path / "evaluation", trained, tmp_path / "promotion", FAST)
    assert not (tmp_path / "promotion").exists()
