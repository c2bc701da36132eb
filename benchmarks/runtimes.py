"""Every runtime, format and precision of trained runs in one go: size, speed as a ratio, and what would be decided.

Usage: python benchmarks/runtimes.py runs/localizer runs/gate runs/segmenter [--photos 24] [--calibration-photos 128]

The baseline is the run's network in torch f32 on the same cores. Photos come from the val split of the run's own data,
cut as serving cuts them; decisions use the thresholds of the set that ships. Rounds go over all variants in turn and
the fastest round of each counts, so that a busy moment does not fall on one variant alone.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models.data.photos import choose_split, load_photos
from models.export import (
    FORMATS,
    SPECS,
    build_for_export,
    compare_answers,
    convert_to_ir,
    load_run,
    prepare_inputs,
    store_ir,
    view_photos,
)
from models.export.formats import save_weights
from models.object_store import FolderStore
from models.predictors import BIN_NAME, XML_NAME
from models.runtime import Runtime
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.runtime.torch_runtime import PRECISIONS, TorchRuntime
from models.store import PRETRAINED_DIR, ModelStore
from models.training.options import choose_network_options, load_options

BATCH_PHOTOS = 4


def open_variants(
    run_dir: Path, wrapped: nn.Module, *, calibration_photos: int
) -> Iterator[tuple[str, str, int, Runtime]]:
    """Yield format, precision, bytes on disk and runtime, the torch runtimes first."""
    options = load_options(run_dir)
    network, input_hw = options.network, SPECS[options.network].input_hw
    weights = save_weights(wrapped)
    for precision in PRECISIONS:
        yield (
            "torch-safetensors",
            precision,
            len(weights),
            TorchRuntime(
                weights,
                lambda: build_for_export(network, network_options=choose_network_options(options)),
                input_hw=input_hw,
                precision=precision,
            ),
        )
    train_photos = choose_split(load_photos(options.data), "train")
    calibration = prepare_inputs(network, view_photos(network, train_photos, calibration_photos), input_hw)
    ir = convert_to_ir(wrapped, input_hw)
    for weights_format in FORMATS:
        if weights_format.startswith("openvino"):
            files = store_ir(ir, weights_format, calibration=calibration)
            for precision in PRECISIONS:
                runtime = OpenVinoRuntime(files[XML_NAME], files[BIN_NAME], precision=precision)
                yield weights_format, precision, sum(map(len, files.values())), runtime


def main() -> None:
    """Print one table a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--calibration-photos", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    promoted = ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted().versions
    for run_dir in chosen.runs:
        options = load_options(run_dir)
        network = options.network
        wrapped = load_run(network, run_dir)
        variants = list(open_variants(run_dir, wrapped, calibration_photos=chosen.calibration_photos))
        val_photos = choose_split(load_photos(options.data), "val")
        images = view_photos(network, val_photos, chosen.photos)
        batch = np.concatenate(prepare_inputs(network, images, SPECS[network].input_hw))
        parts = [batch[start : start + BATCH_PHOTOS] for start in range(0, len(batch), BATCH_PHOTOS)]
        best_s, answers = [float("inf")] * len(variants), [np.zeros(0)] * len(variants)
        for _ in range(chosen.rounds):
            for index, (_, _, _, runtime) in enumerate(variants):
                start = time.perf_counter()
                found = [runtime.run(part) for part in parts]
                best_s[index] = min(best_s[index], time.perf_counter() - start)
                answers[index] = np.concatenate(found)
        with torch.inference_mode():
            original = np.concatenate([wrapped(torch.from_numpy(part)).float().numpy() for part in parts])
        print(f"\n{network}: {len(batch)} val photos, batches of {BATCH_PHOTOS}, {SPECS[network].input_hw} px")
        print(f"{'format':24} {'precision':9} {'MB':>6} {'speed':>6}  {'max':>7} {'mean':>8}  agreement  box px")
        for (weights_format, precision, size_bytes, _), seconds, answer in zip(variants, best_s, answers, strict=True):
            parity = compare_answers(original, answer, thresholds=promoted[network].card.thresholds)
            box_px = parity.get("box_max_difference_px")
            print(
                f"{weights_format:24} {precision:9} {size_bytes / 1e6:6.1f} {best_s[0] / seconds:6.2f}  "
                f"{parity['score_max_difference']:7.4f} {parity['score_mean_difference']:8.5f}  "
                f"{parity['decision_agreement']:9.4f}  {'' if box_px is None else f'{box_px:.2f}'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
