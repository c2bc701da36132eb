"""The words that stages, predictors and training share: classes, boxes, frames, regions, array checks.

Must not know: any network, any file, any service.
"""

from models.structures.arrays import ContractError, check_array, check_image
from models.structures.boxes import box_area_px2, clip_boxes_xyxy, largest_box, pairwise_iou_xyxy
from models.structures.classes import CLASS_IDS, DAMAGE_CLASSES, class_name_of
from models.structures.frames import CropWindow, Letterbox, shrink_to_fit
from models.structures.limits import check_limits
from models.structures.normalise import normalise_batch
from models.structures.regions import Region, rasterise_polygons, trace_polygon

__all__ = [
    "CLASS_IDS",
    "DAMAGE_CLASSES",
    "ContractError",
    "CropWindow",
    "Letterbox",
    "Region",
    "box_area_px2",
    "check_array",
    "check_image",
    "check_limits",
    "class_name_of",
    "clip_boxes_xyxy",
    "largest_box",
    "normalise_batch",
    "pairwise_iou_xyxy",
    "rasterise_polygons",
    "shrink_to_fit",
    "trace_polygon",
]
