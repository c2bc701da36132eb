"""Three choices of the segment and refine stages, measured in one run on the same val photos.

Usage: python benchmarks/segmenters.py --real DATA_FOLDER… --rendered DATA_FOLDER… --encoder-weights FILE --out DIR

Arms, each with the same number of steps, batches, seed and ImageNet weights of the encoder:

    unet                 half of the steps on rendered photos, then half on real ones
    deeplabv3plus        the same
    unet, real only      every step on real photos: what pretraining on rendered photos adds

Masks are made by plain thresholds; those of the first arm by the dense CRF too. Class thresholds are chosen on one half
of the val cars and the foreground IoU is measured on the other: photos that show the class, pixels pooled, whole photo
as crop.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data.photos import AnnotatedPhoto, choose_split, load_ignored, load_image, load_masks, load_photos
from models.evaluation.calibration import is_in_choosing_half
from models.evaluation.masks import count_overlap
from models.evaluation.path import refine_at_thresholds
from models.export import build_card, load_run
from models.export.formats import save_weights
from models.mask_policies import MASK_POLICIES
from models.networks import build_for_export
from models.runtime.torch_runtime import TorchRuntime
from models.segmenter.predictor import Segmenter
from models.structures import DAMAGE_CLASSES, CropWindow, shrink_to_fit
from models.training.options import TrainingOptions, build_options, choose_network_options, load_options
from models.training.segmenter import train_segmenter

THRESHOLDS = np.repeat(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])[:, None], len(DAMAGE_CLASSES), axis=1)


@dataclass(frozen=True)
class Measured:
    """Foreground IoU of each class on so many photos; NaN where none shows the class."""

    photos: int
    iou: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """One way to train: its name in the table, the network, and whether rendered photos come first."""

    name: str
    architecture: str
    is_pretrained: bool


ARMS = (
    Arm("unet", "unet", True),
    Arm("deeplabv3plus", "deeplabv3plus", True),
    Arm("unet, real only", "unet", False),
)

TABLES: dict[str, dict[str, tuple[str, str]]] = {
    "U-Net against DeepLabv3+": {"U-Net": ("unet", "threshold"), "DeepLabv3+": ("deeplabv3plus", "threshold")},
    "With against without pretraining on rendered photos": {
        "with": ("unet", "threshold"),
        "without": ("unet, real only", "threshold"),
    },
    "Dense CRF against threshold": {"CRF": ("unet", "crf"), "threshold": ("unet", "threshold")},
}


def train_arm(arm: Arm, arguments: argparse.Namespace) -> Path:
    """Train one arm in two stages; returns the run folder of the second."""

    def stage(name: str, share: float, initial_weights: Path | None) -> Path:
        out = arguments.out / arm.name.replace(", ", "-").replace(" ", "-") / name
        options: TrainingOptions = build_options(
            "segmenter",
            "cpu",
            (*arguments.real, *arguments.rendered),
            out,
            steps=arguments.steps // 2,
            input_px=arguments.input_px,
            architecture=arm.architecture,
            rendered_share=share,
            initial_weights=initial_weights,
            encoder_weights=None if initial_weights else arguments.encoder_weights,
            seed=arguments.seed,
        )
        train_segmenter(options)
        return out

    first = stage("first", 1.0 if arm.is_pretrained else 0.0, None)
    return stage("second", 0.0, first)


def open_segmenter(run_dir: Path) -> Segmenter:
    """The run's averaged weights behind serving's own pre- and post-processing."""
    options = choose_network_options(load_options(run_dir))
    weights = save_weights(load_run("segmenter", run_dir))
    card = build_card("segmenter", "benchmark", {}, network_options=options)
    runtime = TorchRuntime(
        weights, lambda: build_for_export("segmenter", network_options=options), input_hw=card.input_hw
    )
    return Segmenter(runtime, card)


def count_photos(segmenter: Segmenter, photos: Sequence[AnnotatedPhoto], policy: str) -> Iterator[np.ndarray]:
    """Per photo: intersection, predicted and annotated pixels at each threshold, int64 (T, 3, C)."""
    for photo in photos:
        image = load_image(photo.path)
        crop = shrink_to_fit(image, segmenter.input_hw)
        probs = segmenter.predict_probs([crop])[0]
        masks = refine_at_thresholds(probs, crop, policy, THRESHOLDS)
        gt_masks, ignored = _shrink(load_masks(photo), crop), _shrink(load_ignored(photo)[None], crop)[0]
        yield np.stack([np.stack(count_overlap(own, gt_masks, ignored)) for own in masks])


def _shrink(masks: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Masks, bool (C, H, W), by nearest neighbour in the crop's frame."""
    height, width = crop.shape[:2]
    whole = CropWindow.whole(masks.shape[1:])
    rows = ((np.arange(height) + 0.5) * whole.size_hw[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * whole.size_hw[1] / width).astype(int)
    return masks[:, rows][:, :, columns]


def pool_iou(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Foreground IoU over the photos that show the class, float64 (T, C); NaN for none."""
    table = np.stack(counts).astype(np.float64)  # (N, T, 3, C)
    table = table * (table[:, :, 2:] > 0)
    intersection, predicted, annotated = table.sum(axis=0).swapaxes(0, 1)
    union = predicted + annotated - intersection
    return np.divide(intersection, union, out=np.full(union.shape, np.nan), where=union > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, action="append", required=True)
    parser.add_argument("--rendered", type=Path, action="append", required=True)
    parser.add_argument("--encoder-weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--input-px", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=int, default=10_000, help="of each val sample, at most")
    arguments = parser.parse_args()
    val = choose_split(load_photos([*arguments.real, *arguments.rendered]), "val")
    samples = {
        "real": [p for p in val if p.polygons and not p.is_rendered][: arguments.photos],
        "rendered": [p for p in val if p.polygons and p.is_rendered][: arguments.photos],
    }
    measured: dict[tuple[str, str], dict[str, Measured]] = {}
    for arm in ARMS:
        segmenter = open_segmenter(train_arm(arm, arguments))
        for policy in MASK_POLICIES if arm is ARMS[0] else ("threshold",):
            measured[arm.name, policy] = {
                name: measure(segmenter, photos, policy) for name, photos in samples.items() if photos
            }
            print(arm.name, policy, measured[arm.name, policy], flush=True)
    for title, rows in TABLES.items():
        print(f"\n{title}\n")
        print_table({name: measured[key] for name, key in rows.items()})


def measure(segmenter: Segmenter, photos: Sequence[AnnotatedPhoto], policy: str) -> Measured:
    """Foreground IoU of each class on one half of the cars, at the thresholds that serve the other half best."""
    chooses = np.array([is_in_choosing_half(photo) for photo in photos])
    counts = np.stack(list(count_photos(segmenter, photos, policy)))
    chosen = np.nan_to_num(pool_iou(counts[chooses])).argmax(axis=0)
    return Measured(int((~chooses).sum()), tuple(pool_iou(counts[~chooses])[chosen, range(len(DAMAGE_CLASSES))]))


def print_table(rows: dict[str, dict[str, Measured]]) -> None:
    """One line a row, one column a sample and class; a dot where the sample does not show the class."""
    samples = next(iter(rows.values()))
    heads = [f"{sample} {class_name}" for sample in samples for class_name in DAMAGE_CLASSES]
    print("| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|", sep="\n")
    for name, cells in rows.items():
        values = [value for sample in samples for value in cells[sample].iou]
        print(f"| {name} | " + " | ".join("·" if np.isnan(value) else f"{value:.3f}" for value in values) + " |")
    print("\nPhotos measured: " + ", ".join(f"{cells.photos} {sample}" for sample, cells in samples.items()))


if __name__ == "__main__":
    main()
