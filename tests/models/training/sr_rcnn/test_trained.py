import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.data.photos import load_image
from models.structures import ContractError
from models.training.errors import TrainingError
from models.training.sr_rcnn.inference import FoundObjects
from models.training.sr_rcnn.trained import load_detector


def test_trained_detector_is_opened_by_its_folder(finished):
    here, _ = finished
    image = load_image(here / "coco" / "images" / "val0.png")
    found = {}
    for mode in ("always", "never"):
        detector = load_detector(here / "out" / "sr-rcnn-seed1", mode=mode)
        assert (detector.class_names, detector.seed, detector.step) == (("scratch", "dent"), 1, 6)
        found[mode] = detector.find(image)
        assert isinstance(found[mode], FoundObjects)
        assert found[mode].masks.shape[1:] == image.shape[:2]
    assert not np.array_equal(found["always"].scores, found["never"].scores)
    plain = load_detector(here / "out" / "mask-rcnn-seed1" / "checkpoint.pt")
    assert plain.find(image).scores.max() <= 1
    with pytest.raises(ContractError, match="image"):
        plain.find(image.astype(np.float32))
    with pytest.raises(ValueError, match="mode: expected none"):
        load_detector(here / "out" / "mask-rcnn-seed1", mode="never")
    with pytest.raises(FileNotFoundError):
        load_detector(here / "out")
    (here / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match=r"broken\.pt: damaged"):
        load_detector(here / "broken.pt")
