import re

import pytest

pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.data.photos import DataError
from models.job.detectors.choice import check_cfg, check_start, choose_family
from models.job.detectors.sr_rcnn_detector import SrRcnnFamily
from models.job.detectors.ultralytics_detector import UltralyticsFamily


def test_family_follows_the_name():
    for cfg in ("sr-rcnn", "mask-rcnn", "sr-rcnn-tiny", "mask-rcnn-resnet50"):
        assert isinstance(choose_family(cfg), SrRcnnFamily)
        check_cfg(cfg)
    for cfg in ("yolov5su.yaml", "sr-rcnn.yaml", "sr-rcnn-huge"):
        assert isinstance(choose_family(cfg), UltralyticsFamily)


def test_unknown_name_is_refused_with_the_names_of_both_families():
    pytest.importorskip("ultralytics", reason="detectors need vehicle-damage[train]")
    for cfg in ("sr-rcnn-huge", "sr_rcnn", "mask-rcnn.yaml"):
        words = (
            "cfg: expected one of mask-rcnn, sr-rcnn, mask-rcnn-resnet50, sr-rcnn-resnet50, mask-rcnn-tiny, "
            f"sr-rcnn-tiny, or a detector that ultralytics knows, such as yolov5su.yaml, found {cfg!r}"
        )
        with pytest.raises(DataError, match=f"^{re.escape(words)}$"):
            check_cfg(cfg)


def test_own_networks_start_from_their_own_kind_alone():
    check_start("yolov5su.yaml", "yolov5nu.yaml")
    check_start("sr-rcnn", "sr-rcnn")
    for cfg, before in (("sr-rcnn", "mask-rcnn"), ("sr-rcnn", "yolov5nu.yaml"), ("yolov5nu.yaml", "sr-rcnn-tiny")):
        with pytest.raises(DataError, match=f"^start: expected a detector of cfg {cfg}, found {before}$"):
            check_start(cfg, before)
