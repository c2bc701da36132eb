"""Which family a cfg is of, and what is refused of it before hours are spent."""

from models.data.photos import DataError
from models.job.detectors.family import DetectorFamily
from models.job.detectors.sr_rcnn_detector import SrRcnnFamily
from models.job.detectors.sr_rcnn_options import CFGS
from models.job.detectors.ultralytics_detector import UltralyticsFamily


def choose_family(cfg: str) -> DetectorFamily:
    """This project's own networks by their names; anything else is ultralytics' to know."""
    return SrRcnnFamily() if cfg in CFGS else UltralyticsFamily()


def check_cfg(cfg: str) -> None:
    """Refuse what no family can build a detector from.

    Raises:
        DataError: unknown, or a network that is no detector.
    """
    if not choose_family(cfg).knows(cfg):
        raise DataError(
            f"cfg: expected one of {', '.join(CFGS)}, or a detector that ultralytics knows, such as yolov5su.yaml, "
            f"found {cfg!r}"
        )


def check_start(cfg: str, before: str) -> None:
    """Refuse to start from a detector whose weights do not fit; ultralytics takes over whatever layers do.

    Args:
        cfg: of the detector to be trained.
        before: of the one to start from.

    Raises:
        DataError: they differ and one of them is of this project.
    """
    if before != cfg and {before, cfg} & CFGS.keys():
        raise DataError(f"start: expected a detector of cfg {cfg}, found {before}")
