"""Results of every kind, as the tests of what comes after the networks need them."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from service.request import PhotoLocation
from service.result import InspectionResult, ResultRegion

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def region(**fields: Any) -> ResultRegion:
    fitting = {
        "points": ((10.0, 10.0), (19.5, 10.0), (19.5, 14.0), (10.0, 14.0)),
        "class_name": 1,
        "label": "scratch",
        "score": 0.75,
        "area_px2": 50,
        "box_xyxy": (10, 10, 20, 15),
    }
    return ResultRegion(**{**fitting, **fields})


def result(key: str = "drives/7/front.jpg", **fields: Any) -> InspectionResult:
    """An inspected, damaged photo unless fields say otherwise."""
    fitting = {
        "image_id": key.rsplit("/", 1)[-1],
        "damage_level": 1,
        "regions": (region(),),
        "status": "inspected",
        "gate_score": 0.9,
        "crop_xyxy": (4, 4, 124, 92),
        "car_found": True,
        "photo_size_hw": (96, 128),
        "photo": PhotoLocation(bucket="fleet-photos", key=key),
        "photo_sha256": hashlib.sha256(key.encode()).hexdigest(),
        "vehicle_id": "car-007",
        "view": "front",
        "taken_at": NOON,
        "model_set": "0123456789abcdef",
        "timings_ms": {"decode": 1.0, "localize": 2.5},
        "inspected_at": NOON,
    }
    return InspectionResult(**{**fitting, **fields})


def rejection(key: str = "drives/7/front.jpg", **fields: Any) -> InspectionResult:
    nothing = dict.fromkeys(("gate_score", "crop_xyxy", "car_found", "photo_size_hw"))
    said = {
        "status": "rejected",
        "damage_level": 0,
        "regions": (),
        "reason": "photo: empty",
        "error": "PhotoUnreadable",
    }
    return result(key, **{**nothing, **said, **fields})
