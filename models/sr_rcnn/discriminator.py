"""The discriminator: the detector's own box head with one more output, real or fake.

It is the predictor at inference too: what it learned of super-resolved features is what judges them.
"""

from typing import NamedTuple

import torch
from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor

from models.sr_rcnn.precision import Float32Predictor, widen


class Verdict(NamedTuple):
    """What the discriminator says of N RoIs, K classes with the background.

    Attributes:
        class_logits: float32 (N, K).
        box_deltas: float32 (N, 4 K), encoded against the RoI, four a class.
        real_logits: float32 (N,), above 0: features of the image itself, below: super-resolved ones.
    """

    class_logits: torch.Tensor
    box_deltas: torch.Tensor
    real_logits: torch.Tensor


class RealFakePredictor(Float32Predictor):
    """The predictor of class and box with a real/fake layer beside them.

    Shapes (N RoIs, D = width of the box head, K classes):
        x        float (N, D)
        forward  float32 (N, K) and (N, 4 K), as RoIHeads calls it
        judge    Verdict

    Source: the thesis; the three branches of Bai et al. 2018, SOD-MTGAN, ECCV, section 3.
    """

    def __init__(self, predictor: FastRCNNPredictor) -> None:
        """Take over a predictor's layers and draw the new one from torch's global generator.

        Args:
            predictor: a plain detector's; its layers are shared, not copied.
        """
        in_features, n_classes = predictor.cls_score.in_features, predictor.cls_score.out_features
        super().__init__(in_features, n_classes)
        self.cls_score, self.bbox_pred = predictor.cls_score, predictor.bbox_pred
        self.real_fake = nn.Linear(in_features, 1)

    def judge(self, x: torch.Tensor) -> Verdict:
        """See the class."""
        class_logits, box_deltas = self(x)
        with torch.autocast(x.device.type, enabled=False):
            return Verdict(class_logits, box_deltas, self.real_fake(widen(x)).squeeze(1))  # (N, 1) to (N,)
