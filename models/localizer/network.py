"""The localizer's network: YOLOv3-tiny with ultralytics' anchor-free head, or another of its detectors, one class."""

import os
import re
from types import SimpleNamespace

os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")

import torch
from torch import nn
from ultralytics.nn.modules import Detect
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

CFG = "yolov3-tiny.yaml"
LOSS_GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
"""Weights of the box, class and distribution terms; ultralytics' defaults."""


def build_localizer(class_count: int = 1, *, cfg: str = CFG) -> DetectionModel:
    """Build an untrained detector, YOLOv3-tiny ("yolov3-tinyu") unless told otherwise: 12.1 M parameters.

    Args:
        class_count: classes it tells apart.
        cfg: name or path of an ultralytics detection cfg: yolov3.yaml (YOLOv3), yolov5su.yaml, yolov8n.yaml …; the u of
            the anchor-free variants may be left out, ultralytics builds no others. Nothing is fetched.

    Raises:
        ValueError: unknown cfg, or a network whose boxes do not pass through suppression (end to end, segments …).

    Source: Redmon & Farhadi 2018, arXiv 1804.02767; ultralytics cfg v3/yolov3-tiny.yaml.
    Here: the anchor-free head with distribution focal loss that ultralytics ships for it.
    """
    if "://" in cfg:
        raise ValueError(f"cfg: expected a name or a path, found {cfg!r}")
    try:
        layers = yaml_model_load(re.sub(r"^(yolov.*)u\.yaml$", r"\1.yaml", cfg))
        network = DetectionModel({**layers, "nc": class_count}, ch=3, verbose=False)
    except (OSError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"cfg: expected an ultralytics detection cfg, found {cfg!r}") from error
    head = network.model[-1]
    if type(head) is not Detect or network.end2end:
        raise ValueError(f"cfg: expected a detector with a plain Detect head, found {type(head).__name__} in {cfg!r}")
    network.args = LOSS_GAINS
    return network


class LocalizerForExport(nn.Module):
    """The network with its decode, one output.

    Shapes (N images, H x W pixels, C classes, A = the cells of every stride; default H/16 * W/16 + H/32 * W/32):
        x       float32 (N, 3, H, W), [0, 1]
        return  float32 (N, 4 + C, A): cx, cy, w, h in input pixels, then class scores in [0, 1]
    """

    def __init__(self, network: DetectionModel) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        decoded = self.network(x)
        return decoded[0] if isinstance(decoded, tuple) else decoded
