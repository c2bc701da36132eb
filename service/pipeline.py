"""pipeline: runs STAGES over a batch of photos and times them.

In:   photos as bytes, then as images. Out: one Finding a photo.
Must not know: messages, storage, settings, metrics.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from models.mask_policies import MaskPolicy, build_mask_policy
from models.predictors import DEFAULT_RUNTIME, RuntimeOptions, load_damage_mapper, load_gate, load_localizer
from models.store import ModelCard, ModelSet
from models.structures import DAMAGE_CLASSES, Region
from service.drift import DriftMonitor
from service.errors import PhotoUnreadable, RuntimeExhausted
from service.finding import Finding
from service.stages import STAGES
from service.stages.decode import DecodeError, decode_photo, measure_brightness
from service.stages.describe import describe_regions
from service.stages.gate import score_crops
from service.stages.localize import Crop, localize_cars
from service.stages.refine import refine_masks
from service.stages.segment import segment_crops


@dataclass(frozen=True)
class PipelineOptions:
    """What decides a finding beside the models.

    Attributes:
        crop_margin_ratio: added on each side of the car's box, as a share of its width and height.
        gate_score_threshold: photos below it are let go; None: the gate's card says.
        min_region_area_px2: smaller patches are dropped; crop pixels.
        policies: the mask policy of each class, in the order of DAMAGE_CLASSES.
        finder: "off"; "beside": the set's finder adds small damages to what the segmenter sees; "instead": the finder
            alone, with damages of every size.
    """

    crop_margin_ratio: float = 0.05
    gate_score_threshold: float | None = None
    min_region_area_px2: int = 40
    policies: tuple[str, str, str] = ("crf", "threshold", "crf")
    finder: str = "off"


@dataclass(frozen=True)
class Decoded:
    """A decoded photo: uint8 (H, W, 3) RGB, photo frame, its mean luma, and how long decoding took."""

    image: np.ndarray
    brightness: float
    decode_ms: float


@dataclass
class _Stopwatch:
    """Milliseconds by stage and photo."""

    photos: int
    timings_ms: list[dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.timings_ms = [{} for _ in range(self.photos)]

    @contextmanager
    def measure(self, stage: str, positions: Sequence[int]) -> Iterator[None]:
        start = time.perf_counter()
        yield
        share_ms = (time.perf_counter() - start) * 1000 / max(len(positions), 1)
        for position in positions:
            self.timings_ms[position][stage] = round(share_ms, 3)


class Pipeline:
    """The serving models and mask policies; decode() may run in many threads, inspect() in one at a time."""

    def __init__(self, models: ModelSet, options: PipelineOptions, runtime: RuntimeOptions = DEFAULT_RUNTIME) -> None:
        """Compile the networks.

        Args:
            models: the promoted set, verified.
            options: what else decides a finding.
            runtime: what runs the networks.

        Raises:
            ValueError: an unknown mask policy, runtime or use of the finder, a card without a threshold that is needed,
                or a set without the finder that is asked for.
            RuntimeError: a file that is no network.
        """
        localizer, gate, segmenter = (models.versions[name] for name in ("localizer", "gate", "segmenter"))
        self._localizer = load_localizer(localizer, runtime)
        self._gate = load_gate(gate, runtime)
        self._mapper = load_damage_mapper(models.versions, runtime, finder=options.finder)
        self._options = options
        self._gate_score_threshold = options.gate_score_threshold
        if self._gate_score_threshold is None:
            (self._gate_score_threshold,) = gate.card.require_thresholds("score_threshold")
        self._policies = _build_policies(options.policies, segmenter.card)
        arithmetic = {name: getattr(runtime, name) for name in ("runtime", "precision", "device")}
        identity = json.dumps({"models": models.digest, **arithmetic, **asdict(options)}, sort_keys=True)
        self.digest: Final = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.stored_set: Final = models.digest
        DriftMonitor(gate.card.reference)  # a reference that is none refuses the set
        self.reference: Final = gate.card.reference
        self.versions: Final = {name: version.card.version for name, version in models.versions.items()}

    def decode(self, body: bytes) -> Decoded:
        """Run the first stage on one photo.

        Raises:
            PhotoUnreadable: the decoder refuses it.
            RuntimeExhausted: not enough memory for it.
        """
        start = time.perf_counter()
        try:
            image = decode_photo(body)
            brightness = measure_brightness(image)
        except DecodeError as error:
            raise PhotoUnreadable(f"photo: {error}") from error
        except MemoryError as error:
            raise RuntimeExhausted("photo: not enough memory to decode it") from error
        return Decoded(image, brightness, round((time.perf_counter() - start) * 1000, 3))

    def inspect(self, batch: Sequence[Decoded]) -> list[Finding]:
        """Run the other stages on a batch.

        Args:
            batch: decoded photos of any sizes.

        Returns:
            One finding a photo, in order.

        Raises:
            RuntimeExhausted: not enough memory for the batch.
            ContractError: a stage or a network broke its contract: a bug.
        """
        try:
            return self._inspect(batch)
        except MemoryError as error:
            raise RuntimeExhausted(f"batch of {len(batch)}: not enough memory") from error

    def _inspect(self, batch: Sequence[Decoded]) -> list[Finding]:
        everyone = range(len(batch))
        watch = _Stopwatch(len(batch))
        for position, decoded in enumerate(batch):
            watch.timings_ms[position]["decode"] = decoded.decode_ms

        with watch.measure("localize", everyone):
            crops = localize_cars(
                [decoded.image for decoded in batch],
                self._localizer,
                margin_ratio=self._options.crop_margin_ratio,
                max_hw=self._mapper.input_hw,
            )
        with watch.measure("gate", everyone):
            scores = score_crops([crop.image for crop in crops], self._gate) if crops else np.zeros(0, np.float32)

        kept = [position for position in everyone if scores[position] >= self._gate_score_threshold]
        regions: dict[int, list[Region]] = {}
        if kept:
            with watch.measure("segment", kept):
                probs = segment_crops([crops[position].image for position in kept], self._mapper)
            with watch.measure("refine", kept):
                masks = [
                    refine_masks(own, crops[position].image, self._policies)
                    for position, own in zip(kept, probs, strict=True)
                ]
            with watch.measure("describe", kept):
                for position, own_masks, own_probs in zip(kept, masks, probs, strict=True):
                    regions[position] = describe_regions(
                        own_masks,
                        own_probs,
                        crops[position].window,
                        min_area_px2=self._options.min_region_area_px2,
                    )
        return [
            _build_finding(batch[i], crops[i], float(scores[i]), regions.get(i), watch.timings_ms[i]) for i in everyone
        ]


def _build_finding(
    decoded: Decoded, crop: Crop, score: float, regions: list[Region] | None, timings_ms: dict[str, float]
) -> Finding:
    return Finding(
        is_let_go=regions is None,
        gate_score=round(score, 5),
        crop_xyxy=crop.window.xyxy,
        car_found=crop.car_found,
        brightness=round(decoded.brightness, 4),
        size_hw=decoded.image.shape[:2],
        regions=tuple(regions or ()),
        timings_ms={stage: timings_ms[stage] for stage in STAGES if stage in timings_ms},
    )


def _build_policies(names: Sequence[str], card: ModelCard) -> list[MaskPolicy]:
    """One policy a class; classes of the same policy and threshold share the object, and with it its work."""
    built: dict[tuple[str, float], MaskPolicy] = {}
    policies = []
    for class_name, name in zip(DAMAGE_CLASSES, names, strict=True):
        (score_threshold,) = card.require_thresholds(f"{class_name}_score_threshold")
        recipe = (name, score_threshold)
        if recipe not in built:
            built[recipe] = build_mask_policy(name, score_threshold=score_threshold)
        policies.append(built[recipe])
    return policies
