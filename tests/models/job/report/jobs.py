"""Small finished jobs: every step is the real one, but for the detectors, whose detections are written by hand."""

import shutil
from dataclasses import replace

import numpy as np

from models.evaluation.detection.matching import PredictedBoxes
from models.evaluation.proof.arms import BASELINE, RGBA_BLEND
from models.job import detector
from models.job.augmented import AugmentedOptions, paste_instances
from models.job.crops import CropsOptions, cut_crops
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.evaluation import count_added, evaluate_detectors, place_trained
from models.job.extraction import ExtractionOptions, extract_instances
from models.job.instances import generate_instances, train_instances
from models.job.placement import PlacementOptions, draw_places
from models.job.promotion import ProofOptions, decide_promotion
from models.job.screening import ScreeningOptions, screen_instances
from models.steps.step_folder import run_step
from tests.models.job.scenes import write_yolo
from tests.models.job.test_instances import COARSE, OPTIONS

SEEDS = (1, 2, 3, 4, 5, 6)
RATIOS = (0.1, 0.2)
TRAINING = {"cfg": "yolov5nu.yaml", "weights": None, "epochs": 4, "batch_size": 8, "input_px": 64, "device": "cpu"}


def make_generation(root, *, alpha="none", mappings=("transformer",), features=COARSE):
    """A job up to its places: photos, crops, GANs, instances, screening, cut-outs."""
    source = write_yolo(root / "source", train=40, test=24)
    if alpha == "outline":
        _draw_outlines(source)
    copy_dataset(source, "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16, alpha=alpha))
    for mapping, name in zip(mappings, ("gan", f"gan_{mappings[-1]}"), strict=False):
        options = replace(OPTIONS, mapping=mapping, is_rgba=alpha != "none")
        train_instances(root / "crops", root / name, options, features=features, measured_images=20)
    generate_instances(root / "gan", root / "crops", root / "instances", count=80, seed=1)
    screen_instances(
        root / "crops", root / "gan", root / "instances", root / "screening", ScreeningOptions(rule="multi")
    )
    extract_instances(root / "crops", root / "instances", root / "extraction", ExtractionOptions(mode="box"))
    if alpha != "none":
        options = ExtractionOptions(mode="alpha")
        extract_instances(root / "crops", root / "instances", root / "extraction_alpha", options)
    draw_places(root / "dataset", root / "placement", PlacementOptions(count=8))
    return root


def _draw_outlines(source):
    """Boxes become polygons of six corners that they surround."""
    for path in source.glob("labels/*/*.txt"):
        lines = []
        for line in path.read_text().splitlines():
            class_id, *numbers = line.split()
            x, y, width, height = (float(number) for number in numbers)
            left, right, top, bottom = x - width / 2, x + width / 2, y - height / 2, y + height / 2
            corners = ((x, top), (right, top), (right, y), (x, bottom), (left, bottom), (left, y))
            lines.append(f"{class_id} " + " ".join(f"{number:.6f}" for point in corners for number in point))
        path.write_text("\n".join(lines) + "\n")


def finish(made, root, *, baseline=0.5, **found):
    """The same job with arms, each with the share of persons that its detectors find in the test, and a decision.

    Args:
        made: a job up to its places.
        root: where the finished one goes.
        baseline: share that the baseline finds.
        found: arm to share.
    """
    shutil.copytree(made, root)
    trained = [_write_detector(root, BASELINE, 0.0, seed, baseline) for seed in SEEDS]
    for arm, share in found.items():
        for ratio in RATIOS:
            extraction = "extraction_alpha" if arm == RGBA_BLEND else "extraction"
            inputs = (root / name for name in ("dataset", "placement", extraction, "screening"))
            out = root / "augmented" / f"{arm}-{round(100 * ratio)}"
            paste_instances(
                *inputs,
                out,
                AugmentedOptions(
                    arm=arm, count=count_added(ratio, len(load_dataset_step(root / "dataset").choose("train"))), seed=1
                ),
            )
            trained += [_write_detector(root, arm, ratio, seed, share) for seed in SEEDS]
    evaluate_detectors(root / "dataset", trained, root / "evaluation")
    proof = ProofOptions(replicates=300, shuffles=20)
    decide_promotion(root / "dataset", root / "evaluation", trained, root / "promotion", proof)
    return root


def _write_detector(root, arm, ratio, seed, share):
    """A detector that sees every truck, a share of the persons, and now and then a person where none is."""
    data, own = load_dataset_step(root / "dataset"), place_trained(arm, ratio, seed, root / "detectors")

    def work(folder, scratch):
        for split in detector.JUDGED_SPLITS:
            rng = np.random.default_rng([seed, len(split)])  # the same photos are hard for every arm
            preds = []
            for photo in data.choose(split):
                part = share if split == "test" else 0.4 + ratio
                seen = (photo.class_ids == 0) | (rng.random(len(photo.class_ids)) < part)
                boxes, class_ids = photo.boxes_xyxy[seen], photo.class_ids[seen]
                if rng.random() < 0.3:
                    boxes, class_ids = np.concatenate([boxes, [[90, 2, 100, 30]]]), np.append(class_ids, 1)
                preds.append(PredictedBoxes(boxes, rng.uniform(0.3, 0.9, len(boxes)), class_ids))
            detector._save(folder / detector._file_name(split), preds)
        (folder / detector.WEIGHTS_NAME).write_bytes(own.name.encode())
        return {"arm": arm, "added_photos": count_added(ratio, len(data.choose("train")))}

    run_step(own.folder, detector.STEP, {**TRAINING, "seed": seed}, {"dataset": root / "dataset"}, work)
    return own
