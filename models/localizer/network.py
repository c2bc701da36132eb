"""The localizer's network: YOLOv3-tiny with ultralytics' anchor-free head, one class."""

import os
from types import SimpleNamespace

os.environ.setdefault("YOLO_AUTOINSTALL", "false")
os.environ.setdefault("YOLO_OFFLINE", "true")

import torch
from torch import nn
from ultralytics.nn.tasks import DetectionModel

LOSS_GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
"""Weights of the box, class and distribution terms; ultralytics' defaults."""


def build_localizer(class_count: int = 1) -> DetectionModel:
    """Build an untrained YOLOv3-tiny ("yolov3-tinyu"): 12.1 M parameters, strides 16 and 32.

    Source: Redmon & Farhadi 2018, arXiv 1804.02767; ultralytics cfg v3/yolov3-tiny.yaml.
    Here: the anchor-free head with distribution focal loss that ultralytics ships for it.
    """
    network = DetectionModel("yolov3-tiny.yaml", ch=3, nc=class_count, verbose=False)
    network.args = LOSS_GAINS
    return network


class LocalizerForExport(nn.Module):
    """The network with its decode, one output.

    Shapes (N images, H x W pixels, C classes, A = H/16 * W/16 + H/32 * W/32 cells):
        x       float32 (N, 3, H, W), [0, 1]
        return  float32 (N, 4 + C, A): cx, cy, w, h in input pixels, then class scores in [0, 1]
    """

    def __init__(self, network: DetectionModel) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        decoded = self.network(x)
        return decoded[0] if isinstance(decoded, tuple) else decoded
