"""The whole comparison: both detectors with every seed, judged, timed, told; each part resumable.

In:   data folders. Out: base/ and <detector>-seed<k>/ (checkpoint.pt, log.jsonl, measures.npz), cost.json, report.json.
Must not know: how a step computes its losses.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from models.sr_rcnn.options import MASK_RCNN, SR_RCNN
from models.training.errors import TrainingError
from models.training.loop import choose_device
from models.training.options import CHECKPOINT_NAME
from models.training.processes import join_processes
from models.training.sr_rcnn.batches import build_sample, draw_masks
from models.training.sr_rcnn.cost import time_variants
from models.training.sr_rcnn.loop import train_detector
from models.training.sr_rcnn.measuring import measure_detector
from models.training.sr_rcnn.options import DETECTORS, THESIS_EPOCHS, RunOptions
from models.training.sr_rcnn.photos import DetectionData, DetectionPhoto, load_detection_data
from models.training.sr_rcnn.report import PROTOCOL, summarise, tell_of_small_objects
from models.training.sr_rcnn.state import Recipe, load_state_content
from models.training.sr_rcnn.trained import load_detector
from models.training.stopping import StopRequest, watch_signals

BASE_NAME: Final = "base"
BASE_SEED: Final = 0
COST_NAME: Final = "cost.json"
REPORT_NAME: Final = "report.json"
GATE_SIDES_PX: Final = (8, 16, 32, 64, 128, 256, 512)
SIZE_EDGES_PX2: Final = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, math.inf)}


def compare_detectors(
    folders: Sequence[Path],
    out: Path,
    options: RunOptions,
    *,
    class_names: Sequence[str] = (),
    encoder_weights: Path | None = None,
) -> dict[str, Any]:
    """Do it all, or go on: the same call ends with the same report.

    Args:
        folders: data, as load_detection_data has it.
        out: the comparison's folder.
        options: the comparison.
        class_names: classes to detect; empty: the damage classes that there are.
        encoder_weights: file that the backbones start from.

    Returns:
        The report; of a process that is not the first of several, nothing.

    Raises:
        DataError: data that cannot be learned from or judged by.
        FileNotFoundError: no such weights.
        TrainingError: a training cannot start or go on.
        TrainingStopped: a signal or max_minutes; the same call goes on.
    """
    data = load_detection_data(folders, class_names=class_names, share=options.share, gate_share=options.gate_share)
    detector = replace(options.detector, n_classes=len(data.class_names) + 1)
    options = replace(options, detector=detector, encoder_weights_sha256=digest_weights(encoder_weights))
    iterations = options.iterations or math.ceil(THESIS_EPOCHS * len(data.train) / options.batch_size)
    device = choose_device(options.device, options.precision)
    request = StopRequest(options.max_minutes)
    with watch_signals(request):
        with join_processes(device) as processes:

            def train(name: str, seed: int, steps: int, folder: Path, base: Path | None) -> None:
                recipe = Recipe(name, seed, data.class_names, steps, data.digest, options)
                given = {"encoder_weights": encoder_weights, "base": base}
                train_detector(data, recipe, folder, processes=processes, request=request, **given)

            base = None
            if options.base_iterations:
                train(MASK_RCNN, BASE_SEED, options.base_iterations, out / BASE_NAME, None)
                base = out / BASE_NAME / CHECKPOINT_NAME
            for seed in options.seeds:
                for name in DETECTORS:
                    train(name, seed, iterations, run_dir_of(out, name, seed), base)
        if not processes.is_first:
            return {}
        return _judge(data, out, options, iterations, device, request)


def run_dir_of(out: Path, name: str, seed: int) -> Path:
    """Where a comparison keeps one detector."""
    return out / f"{name}-seed{seed}"


def digest_weights(path: Path | None) -> str:
    """sha256 of a file, or of the checkpoint in a run folder; empty where there is none to start from."""
    if path is None:
        return ""
    return hashlib.sha256((path / CHECKPOINT_NAME if path.is_dir() else path).read_bytes()).hexdigest()


def _judge(
    data: DetectionData, out: Path, options: RunOptions, iterations: int, device: torch.device, request: StopRequest
) -> dict[str, Any]:
    measures = []
    for seed in options.seeds:
        found = {}
        for name in DETECTORS:
            folder = run_dir_of(out, name, seed)
            found |= measure_detector(folder, data.judged, len(data.class_names), device=device.type, request=request)
        measures.append(found)
    cost = _measure_cost(data, out, options, device)
    summary = summarise(measures)
    sizes = count_sizes(data.judged)
    report = {
        "protocol": PROTOCOL,
        "small_objects": tell_of_small_objects(summary, seeds=len(options.seeds), small_objects=sizes["small"]),
        "variants": summary,
        "size_gate": {"sides_px": GATE_SIDES_PX, "by_seed": [_read_gate(out, seed) for seed in options.seeds]},
        "cost": cost,
        "s_per_iteration": {name: _seconds_per_iteration(out, name, options.seeds) for name in DETECTORS},
        "classes": list(data.class_names),
        "photos": data.describe(),
        "judged_sizes": sizes,
        "data_digest": data.digest,
        "iterations": iterations,
        "options": options.deciding(),
    }
    _write_json(out / REPORT_NAME, report)
    return report


def count_sizes(photos: Sequence[DetectionPhoto]) -> dict[str, int]:
    """Objects by COCO's sizes, of their masks' area in photo pixels."""
    areas = [int(mask.sum()) for photo in photos for mask in draw_masks(photo)]
    return {
        name: sum(low <= area < high and area > 0 for area in areas) for name, (low, high) in SIZE_EDGES_PX2.items()
    }


def _read_gate(out: Path, seed: int) -> list[float]:
    """How much of square RoIs of GATE_SIDES_PX, input frame, the learned gate lets be super-resolved: 0 to 1."""
    sides = torch.tensor(GATE_SIDES_PX, dtype=torch.float32)
    boxes = torch.stack([torch.zeros_like(sides), torch.zeros_like(sides), sides, sides], dim=1)
    with torch.no_grad():
        weights = load_detector(run_dir_of(out, SR_RCNN, seed)).network.gate(boxes)
    return [round(float(weight), 4) for weight in weights]


def _measure_cost(data: DetectionData, out: Path, options: RunOptions, device: torch.device) -> dict[str, Any]:
    path = out / COST_NAME
    if not path.is_file():
        networks = {
            name: load_detector(run_dir_of(out, name, options.seeds[0]), device=device.type).network
            for name in DETECTORS
        }
        shown = data.judged[: options.timed_photos]
        images = [build_sample(photo)[0].to(device) for photo in shown]
        told = {"device": device.type, "threads": torch.get_num_threads(), "photos": len(images)}
        _write_json(path, {**told, "variants": time_variants(networks, images)})
    return json.loads(path.read_text(encoding="utf-8"))


def _seconds_per_iteration(out: Path, name: str, seeds: Sequence[int]) -> float:
    states = [load_state_content(run_dir_of(out, name, seed) / CHECKPOINT_NAME)["state"] for seed in seeds]
    return sum(state["seconds"] for state in states) / sum(state["step"] for state in states)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise TrainingError(f"{path}: not written: {error}") from error
