"""Photos a second through the stages: ours in f32 and bf16 against the same networks in torch eager with pydensecrf.

Usage: python benchmarks/pipeline.py [--photos 24]

The naive side runs one photo at a time, every photo through every stage, as a first script would: no gate, no batch,
the CRF on the whole crop for two classes. Its networks have the shipped architectures and untrained weights, which cost
the same time. Both sides start from the same JPEG bytes and run in one process, one after the other, on all cores.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pydensecrf.densecrf as dcrf
import torch
from pydensecrf.utils import unary_from_softmax

from models.gate.network import DamageGate
from models.localizer.network import build_localizer
from models.object_store import FolderStore
from models.predictors import RuntimeOptions
from models.segmenter.network import UNetSegmenter
from models.store import PRETRAINED_DIR, ModelStore
from models.structures import Letterbox, normalise_batch
from service.commands.demo import render_demo_photos
from service.pipeline import Pipeline, PipelineOptions

BATCH_PHOTOS = 8
WARM_UP_PHOTOS = 8


def build_ours(precision: str) -> Callable[[Sequence[bytes]], None]:
    """The service's pipeline, in batches."""
    models = ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted()
    pipeline = Pipeline(models, PipelineOptions(), RuntimeOptions(precision=precision))

    def run(bodies: Sequence[bytes]) -> None:
        for start in range(0, len(bodies), BATCH_PHOTOS):
            pipeline.inspect([pipeline.decode(body) for body in bodies[start : start + BATCH_PHOTOS]])

    return run


def build_naive() -> Callable[[Sequence[bytes]], None]:
    """The same networks in torch eager, photo by photo."""
    models = ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted()
    networks = {
        "localizer": build_localizer().eval(),
        "gate": DamageGate().eval(),
        "segmenter": UNetSegmenter().eval(),
    }

    @torch.no_grad()
    def run(bodies: Sequence[bytes]) -> None:
        for body in bodies:
            image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
            for name, network in networks.items():
                card = models.versions[name].card
                letterbox = Letterbox(image.shape[:2], card.input_hw)
                crop = letterbox.apply(image)
                logits = network(
                    torch.from_numpy(normalise_batch([crop], card.normalisation_mean, card.normalisation_std))
                )
            probs = torch.sigmoid(logits)[0].numpy()
            for channel in (0, 2):
                _refine_by_pydensecrf(probs[channel], crop)

    return run


def _refine_by_pydensecrf(prob: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Five iterations of the dense CRF on one class, with the parameters of its README."""
    height, width = prob.shape
    crf = dcrf.DenseCRF2D(width, height, 2)
    crf.setUnaryEnergy(unary_from_softmax(np.stack([1 - prob, prob])))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=np.ascontiguousarray(crop), compat=10)
    return np.array(crf.inference(5))[1].reshape(height, width)


def main() -> None:
    """Print a table of photos a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=24)
    photos = parser.parse_args().photos
    bodies = [photo.body for photo in render_demo_photos(photos)]
    runs = {"naive": build_naive(), "ours f32": build_ours("f32"), "ours bf16": build_ours("bf16")}
    rates = {}
    print(f"{'':10}  photos/s  ratio   ({photos} rendered photos, 480 x 640, half of them damaged)")
    for name, run in runs.items():
        run(bodies[:WARM_UP_PHOTOS])
        start = time.perf_counter()
        run(bodies)
        rates[name] = photos / (time.perf_counter() - start)
        print(f"{name:10}  {rates[name]:8.2f}  {rates[name] / rates['naive']:5.1f}")


if __name__ == "__main__":
    main()
