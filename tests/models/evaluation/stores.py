"""A promoted set of tiny networks in a folder."""

from pathlib import Path

import numpy as np

from models.object_store import FolderStore
from models.store import ModelStore, sha256_hex
from models.structures import DAMAGE_CLASSES
from tests.models import tiny_networks
from tests.models.tiny_networks import ops

INPUT_HW = (64, 64)
CLASSES = {"localizer": ("vehicle",), "gate": ("damaged",), "segmenter": DAMAGE_CLASSES}
THRESHOLDS = {
    "localizer": {"score_threshold": 0.25, "iou_threshold": 0.5, "min_box_ratio": 0.0},
    "gate": {"score_threshold": 0.3},
    "segmenter": {f"{name}_score_threshold": 0.8 for name in DAMAGE_CLASSES},
}


def write_promoted(root: Path, *, promote: bool = True) -> Path:
    """Write version 1 of each network: the car of tiny_data, brightness as gate score and as damage of every class."""
    root.mkdir()
    store = ModelStore(FolderStore(root))
    for network, classes in CLASSES.items():
        files = _files(network)
        card = tiny_networks.build_card(network, INPUT_HW, classes, **THRESHOLDS[network])
        digests = {name: sha256_hex(body) for name, body in files.items()}
        store.add(card.model_copy(update={"version": "1", "files": digests}), files)
    if promote:
        store.promote(dict.fromkeys(CLASSES, "1"))
    return root


def _files(network: str) -> dict[str, bytes]:
    x = tiny_networks.image_input(INPUT_HW)
    if network == "segmenter":
        return tiny_networks.to_files(ops.multiply(x, np.float32(1)), x)
    mean = ops.reduce_mean(x, [1, 2, 3], keep_dims=True)
    if network == "gate":
        return tiny_networks.to_files(ops.reshape(mean, np.array([-1, 1]), False), x)
    row = np.array([[[32.5], [35.5], [45], [25], [0.9]]], np.float32)
    nothing = ops.multiply(ops.reshape(mean, np.array([-1, 1, 1]), False), np.float32(0))
    return tiny_networks.to_files(ops.add(nothing, row), x)
