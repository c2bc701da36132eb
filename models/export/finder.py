"""From a detector's run to a finder in a store, its thresholds chosen on photos as serving shows them.

In:   a run folder of `train sr-rcnn` or a job's, annotated photos. Out: a candidate of network "finder".
Must not know: how detectors are trained.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.photos import AnnotatedPhoto, DataError, choose_split, digest_photos, load_image, load_photos
from models.evaluation.detection.matching import AnnotatedBoxes, PredictedBoxes, match_photos
from models.evaluation.detection.operating_points import find_highest_f1
from models.export.formats import QUANTIZED, save_weights, split_formats
from models.export.specs import NetworkSpec, build_card
from models.export.version import MARGIN_RATIO, PARITY_PHOTOS, export_version, view_photos
from models.networks import build_for_export
from models.runtime.torch_runtime import TorchRuntime
from models.sr_rcnn.options import SR_RCNN, Mode
from models.sr_rcnn.predictor import Finder
from models.store import ModelCard, ModelStore
from models.structures import DAMAGE_CLASSES, CropWindow, rasterise_polygons
from models.training.options import CHECKPOINT_NAME
from models.training.sr_rcnn.batches import boxes_around
from models.training.sr_rcnn.measuring import VARIANTS
from models.training.sr_rcnn.run import REPORT_NAME
from models.training.sr_rcnn.state import load_state_content
from models.training.sr_rcnn.trained import load_detector

IOU_THRESHOLD: Final = 0.5
SMALL_PX: Final = 32.0
"""Source: Lin et al. 2014: an object of an area under 32² pixels is small."""
MAX_FOUND: Final = 50
STRIDE_PX: Final = 32


@dataclass(frozen=True)
class FinderOptions:
    """What of a finder its run does not say.

    Attributes:
        data: folders of annotated photos, whose val split chooses the thresholds.
        mode: which RoIs an SR-RCNN super-resolves; None: as it was trained.
        small_px: a damage is small if the square root of its box's area is below it; crop pixels.
        max_found: detections a crop, at most.
        input_hw: of the network, multiples of 32; None: the detector's own sizes, as for a photo in landscape format.
        weights_format: one of FORMATS but openvino-int8-quantized, or two joined by "+".
        sources, limits, commit: for the card.
    """

    data: tuple[Path, ...]
    mode: Mode | None = None
    small_px: float = SMALL_PX
    max_found: int = MAX_FOUND
    input_hw: tuple[int, int] | None = None
    weights_format: str = "openvino-f32"
    sources: Sequence[Any] = ()
    limits: Sequence[str] = ()
    commit: str = ""

    def __post_init__(self) -> None:
        """Refuse what no finder can be.

        Raises:
            ValueError: names the option, what was expected and what was found.
        """
        if not self.data:
            raise ValueError("data: expected a folder of annotated photos to choose thresholds on, found none")
        if QUANTIZED in split_formats(self.weights_format):
            raise ValueError(f"weights_format: the finder is not quantized, found {self.weights_format}")
        if not self.small_px > 0:
            raise ValueError(f"small_px: expected above 0, found {self.small_px}")
        if self.max_found < 1:
            raise ValueError(f"max_found: expected 1 or more, found {self.max_found}")
        if self.input_hw is not None and any(side < STRIDE_PX or side % STRIDE_PX for side in self.input_hw):
            raise ValueError(f"input_hw: expected multiples of {STRIDE_PX}, found {self.input_hw}")


def export_finder(store: ModelStore, run_dir: Path, version: str, options: FinderOptions) -> ModelCard:
    """Convert a detector, choose its thresholds and add it to a store as a candidate.

    Args:
        store: gets the version.
        run_dir: the detector's folder, with its checkpoint.
        version: name of the new version.
        options: what the run does not say.

    Raises:
        FileNotFoundError: the run has no checkpoint.
        TrainingError: the checkpoint is damaged, or of something else.
        DataError: no photo of split val, or none with a damage that the detector knows.
        ValueError: classes that are none of ours, or a mode that the detector does not have.
        ConflictError: the version exists already.
    """
    saved = load_state_content(run_dir / CHECKPOINT_NAME)["options"]
    class_names = tuple(saved["class_names"])
    if unknown := [name for name in class_names if name not in DAMAGE_CLASSES]:
        raise ValueError(f"classes: a finder's are of {', '.join(DAMAGE_CLASSES)}, {run_dir} has {', '.join(unknown)}")
    photos = choose_split(load_photos(options.data), "val")
    detector = load_detector(run_dir, mode=options.mode)
    network_options = _describe_network(saved, options)
    detector.network.roi_heads.detections_per_img = options.max_found
    wrapped = build_for_export("finder", detector.network)
    spec = _describe_spec(saved, network_options, detector.network, class_names, options)
    chosen = choose_thresholds(
        Finder(
            TorchRuntime(save_weights(wrapped), lambda: wrapped, input_hw=spec.input_hw),
            build_card("finder", version, {}, spec=spec),
        ),
        photos,
    )
    thresholds = {f"{name}_score_threshold": value for name, (value, _) in chosen.items()}
    return export_version(
        store,
        "finder",
        version,
        wrapped,
        spec=spec,
        parity_images=view_photos("finder", photos, PARITY_PHOTOS),
        network_options=network_options,
        thresholds={**thresholds, "small_px": options.small_px},
        dataset={
            "digest": saved["data_digest"],
            "training": {"detector": saved["name"], "seed": detector.seed, "steps": detector.step},
            "thresholds_from": {"digest": digest_photos(photos), "photos": len(photos), "split": "val"},
            "sources": list(options.sources),
        },
        metrics={
            **read_measures(run_dir, network_options, detector.seed),
            "f1_box_50_where_thresholds_were_chosen": {name: f1 for name, (_, f1) in chosen.items()},
        },
        limits=tuple(options.limits),
        commit=options.commit,
    )


def choose_thresholds(finder: Finder, photos: Sequence[AnnotatedPhoto]) -> dict[str, tuple[float, float | None]]:
    """Choose each class' score_threshold: the highest F1 of boxes at an IoU of 0.5, on photos as serving cuts them.

    Args:
        finder: asked for detections of any score.
        photos: annotated; those whose damages are not known do not count.

    Returns:
        By class: the threshold and the F1 there; 1 and None for a class of which the photos show nothing, 1 and 0 where
        no detection is right.

    Raises:
        DataError: no photo shows a damage of the finder's classes; an image that is missing or broken.
    """
    preds, gts = [], []
    for photo in photos:
        if photo.has_regions:
            image, truth = _view(photo)
            found = finder.detect([image])[0]
            preds.append(PredictedBoxes(found.boxes_xyxy_crop, found.scores, found.channels))
            gts.append(truth)
    known = [DAMAGE_CLASSES.index(name) for name in finder.card.classes]
    if not any(np.isin(gt.class_ids, known).any() for gt in gts):
        raise DataError(f"data: no photo of split val shows {', '.join(finder.card.classes)}: no thresholds to choose")
    chosen: dict[str, tuple[float, float | None]] = {}
    for name, channel in zip(finder.card.classes, known, strict=True):
        own_preds, own_gts = [_of_class(p, channel) for p in preds], [_of_class(g, channel) for g in gts]
        point = find_highest_f1(match_photos(own_preds, own_gts, 1, iou_thresholds=(IOU_THRESHOLD,)))
        f1 = float(point.f1[0])
        chosen[name] = (point.score_threshold, None if np.isnan(f1) else f1)
    return chosen


def read_measures(run_dir: Path, network_options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """What the detector's comparison measured of it, for its card; nothing where it was not judged."""
    path = run_dir.parent / REPORT_NAME
    if not path.is_file():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        place = report["options"]["seeds"].index(seed)
        name = network_options["name"]
        mode = network_options["super_resolution"]["mode"] if name == SR_RCNN else None
        variant = next(variant for variant, of_mode in VARIANTS[name].items() if of_mode == mode)
        measures = report["variants"][variant]
        photos = report["photos"]["judged"]["photos"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: no report of a comparison with this detector: {error!r}") from error
    told = {
        f"coco_{kind}_{name.lower()}": round(value["by_seed"][place], 4)
        for kind in sorted(measures)
        for name, value in measures[kind].items()
        if value["by_seed"] is not None
    }
    return {**told, "coco_photos": photos}


def _describe_network(saved: Mapping[str, Any], options: FinderOptions) -> dict[str, Any]:
    """The arguments of build_finder."""
    detector = {**saved["detector"], "max_detections": options.max_found}
    if saved["name"] != SR_RCNN:
        return {"name": saved["name"], "detector": detector}
    super_resolution = {**saved["super_resolution"], **({"mode": options.mode} if options.mode else {})}
    return {"name": saved["name"], "detector": detector, "super_resolution": super_resolution}


def _describe_spec(
    saved: Mapping[str, Any],
    network_options: Mapping[str, Any],
    network: Any,
    class_names: tuple[str, ...],
    options: FinderOptions,
) -> NetworkSpec:
    detector, name = saved["detector"], saved["name"]
    own_hw = tuple(-(-side // STRIDE_PX) * STRIDE_PX for side in (detector["min_size_px"], detector["max_size_px"]))
    told = f"torchvision's Mask R-CNN on {detector['backbone']}-FPN"
    if name == SR_RCNN:
        added = network_options["super_resolution"]
        told = f"SR-RCNN: {told}, generator of {added['n_blocks']} blocks, super-resolves {added['mode']}"
    return NetworkSpec(
        architecture=told,
        input_hw=options.input_hw or own_hw,
        mean=tuple(network.transform.image_mean),
        std=tuple(network.transform.image_std),
        classes=class_names,
        thresholds={**{f"{c}_score_threshold": 1.0 for c in class_names}, "small_px": options.small_px},
        weights_format=options.weights_format,
    )


def _view(photo: AnnotatedPhoto) -> tuple[np.ndarray, AnnotatedBoxes]:
    """A photo as serving cuts it, and the boxes around its regions there."""
    image, origin = load_image(photo.path), np.zeros(2)
    if photo.car_box_xyxy is not None:
        window = CropWindow.around(np.array(photo.car_box_xyxy), image.shape[:2], margin_ratio=MARGIN_RATIO)
        image, origin = np.ascontiguousarray(window.cut(image)), np.array([window.x0, window.y0])
    outlines = [(class_id, np.asarray(points, np.float64) - origin) for class_id, points in photo.polygons]
    masks = np.stack([rasterise_polygons([points], image.shape[:2]) for _, points in outlines]) if outlines else None
    if masks is None:
        return image, AnnotatedBoxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    is_seen = masks.any(axis=(1, 2))
    channels = np.array([class_id - 1 for class_id, _ in outlines])
    return image, AnnotatedBoxes(boxes_around(masks[is_seen]), channels[is_seen])


def _of_class(boxes: PredictedBoxes | AnnotatedBoxes, channel: int) -> Any:
    """The boxes of one class, which becomes class 0."""
    own = boxes.class_ids == channel
    fields = {name: getattr(boxes, name)[own] for name in vars(boxes)}
    return type(boxes)(**{**fields, "class_ids": np.zeros(int(own.sum()), np.int64)})
