"""What the stages found on one photo: the language between pipeline and result."""

from dataclasses import dataclass

from models.structures import Region


@dataclass(frozen=True)
class Finding:
    """What the stages found on one photo.

    Attributes:
        is_let_go: the gate ended the path: undamaged.
        gate_score: [0, 1].
        crop_xyxy: what was inspected, photo frame, whole pixels, max edge exclusive.
        car_found: False = no car, so the whole photo was inspected.
        brightness: mean luma of the photo, [0, 1].
        size_hw: the photo's height and width after its EXIF turn, pixels.
        regions: the damages, largest first.
        timings_ms: milliseconds by stage; a batch's time shared equally by the photos that went through the stage.
    """

    is_let_go: bool
    gate_score: float
    crop_xyxy: tuple[int, int, int, int]
    car_found: bool
    brightness: float
    size_hw: tuple[int, int]
    regions: tuple[Region, ...]
    timings_ms: dict[str, float]
