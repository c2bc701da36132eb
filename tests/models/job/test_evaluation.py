"""Judging detectors on val: which there are, what they reach, which ratio each arm takes into the test."""

import json
import shutil
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.data.photos import DataError
from models.evaluation.detection.table import evaluate_detections
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.detector import annotations_of, load_detections
from models.job.evaluation import EVALUATION_NAME, evaluate_detectors, find_trained, load_chosen
from tests.models.job.scenes import write_yolo
from tests.models.job.test_promotion import SEEDS, train


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    copy_dataset(write_yolo(root / "source", train=12, val=12, test=4), "person", root / "dataset")
    return root / "dataset"


def test_ratio_of_each_arm_is_the_one_that_val_likes_best(dataset, tmp_path):
    trained = train(tmp_path, dataset, repeat=0.5, gan_screened=0.5)
    done = evaluate_detectors(dataset, trained, tmp_path / "evaluation")
    assert done.result["chosen_ratio"] == {"repeat": 0.2, "gan_screened": 0.2}
    assert done.result["detectors"] == sorted(own.name for own in trained)
    chosen = load_chosen(tmp_path / "evaluation")
    assert [c.ratio for c in chosen["repeat"].candidates] == [0.1, 0.2]
    assert len(chosen["repeat"].candidates[0].ap_50_val_by_seed) == len(SEEDS)
    assert chosen["repeat"].candidates[1].ap_50_val > chosen["repeat"].candidates[0].ap_50_val
    told = json.loads((tmp_path / "evaluation" / EVALUATION_NAME).read_text())["val"]["baseline-0-seed0"]
    data = load_dataset_step(dataset)
    table = evaluate_detections(
        load_detections(trained[0].folder, "val"), annotations_of(data.choose("val")), data.class_names
    )
    assert told["per_class"]["person"]["ap_50"] == table.per_class["person"].ap_50
    assert told["confusion"] == table.confusion.counts.tolist()


def test_detectors_are_found_by_the_names_of_their_folders(dataset, tmp_path):
    trained = train(tmp_path, dataset, repeat=0.6)
    (tmp_path / "detectors" / "start").mkdir()
    assert {own.name: own for own in find_trained(tmp_path / "detectors")} == {own.name: own for own in trained}
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"detectors: expected folders such as baseline-0-seed1 in .*none, found none"):
        find_trained(tmp_path / "none")


def test_arms_without_the_baselines_seeds_are_refused(dataset, tmp_path):
    trained = train(tmp_path, dataset, repeat=0.6)
    with pytest.raises(
        DataError, match=r"repeat at ratio 0\.2: expected the baseline's seeds .* found \[0, 1, 2, 3, 4\]"
    ):
        evaluate_detectors(dataset, trained[:-1], tmp_path / "evaluation")
    with pytest.raises(DataError, match="expected a baseline of ratio 0, found none"):
        evaluate_detectors(dataset, trained[len(SEEDS) :], tmp_path / "evaluation")
    assert not (tmp_path / "evaluation").exists()


def test_detector_that_is_not_what_its_folder_says_is_refused(dataset, tmp_path):
    trained = train(tmp_path, dataset, repeat=0.6)
    liar = next(own for own in trained if own.arm == "repeat" and own.ratio == 0.1)
    for name, words in (
        ("rgba_blend-10-seed0", "arm: expected 'rgba_blend' by its name, found 'repeat'"),
        ("repeat-50-seed0", "added_photos: expected 6 by its name, found 1"),
        ("repeat-10-seed9", "seed: expected 9 by its name, found 0"),
    ):
        detectors = tmp_path / name / "detectors"
        shutil.copytree(liar.folder, detectors / name)
        (own,) = find_trained(detectors)
        baseline = replace(trained[0], seed=own.seed)
        told = trained[0].folder if own.seed == 0 else liar.folder
        with pytest.raises(DataError, match=words):
            evaluate_detectors(
                dataset, [replace(own, folder=detectors / name), replace(baseline, folder=told)], tmp_path / "e"
            )
    other = tmp_path / "other"
    copy_dataset(write_yolo(tmp_path / "source", train=13, val=12, test=4), "person", other)
    with pytest.raises(DataError, match=r"baseline-0-seed0: made of another dataset than .*other"):
        evaluate_detectors(other, trained, tmp_path / "evaluation")
