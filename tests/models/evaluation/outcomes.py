"""Judgements of photos made by hand: counts as a test says them, no network."""

from pathlib import Path

import numpy as np

from models.data.photos import AnnotatedPhoto
from models.evaluation.judgement import MaskJudgement, PhotoJudgement, RegionJudgement
from models.structures import CropWindow

SIZE_HW = (20, 20)


def photo(name="p.jpg", *, damaged=True, group=None, polygons=None, rendered=False, car_box=None) -> AnnotatedPhoto:
    """A photo of 20 x 20 pixels; a damaged one has one scratch."""
    scratch = ((1, ((2.0, 2.0), (5.0, 2.0), (5.0, 5.0), (2.0, 5.0))),)
    return AnnotatedPhoto(
        path=Path("/nowhere/images") / name,
        folder="nowhere",
        image_id=name,
        damage_level=int(damaged),
        polygons=(scratch if damaged else ()) if polygons is None else polygons,
        other_polygons=(),
        split="val",
        group=group or name,
        car_box_xyxy=car_box,
        is_rendered=rendered,
        width=SIZE_HW[1],
        height=SIZE_HW[0],
    )


def judged(
    *, of=None, score=0.5, hits=(False,), regions=(0,), overlap=None, boundary=None, annotated=(), luminance=120.0
) -> PhotoJudgement:
    """A judgement under one policy (P = 1); hits and regions by row, all of them scratches; overlap is (T, 3, 3)."""
    rows = len(regions)
    overlap_px, is_hit = np.zeros((1, rows, 3, 3), np.int64), np.zeros((1, rows, 3), bool)
    region_counts = np.zeros((1, rows, 3), np.int64)
    is_hit[0, :, 0], region_counts[0, :, 0] = hits, regions
    if overlap is not None:
        overlap_px[0] = overlap
    boundary_px = np.zeros((1, 3, 4), np.int64)
    if boundary is not None:
        boundary_px[0, 0] = boundary
    return PhotoJudgement(
        photo=of or photo(),
        gate_score=score,
        window=CropWindow.whole(SIZE_HW),
        is_car_found=True,
        car_iou=None,
        luminance=luminance,
        masks=MaskJudgement(overlap_px, 400, region_counts, is_hit, boundary_px, tuple(annotated)),
    )


def region(class_id=1, area_px2=16, *, found=True) -> RegionJudgement:
    """An annotated region, found or not under every variant."""
    return RegionJudgement(class_id, area_px2, {"serving": found, "threshold": found})
