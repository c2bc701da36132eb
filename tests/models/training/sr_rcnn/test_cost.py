import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.sr_rcnn.build import build_mask_rcnn  # noqa: E402
from models.training.sr_rcnn import cost  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY, build_tiny  # noqa: E402


def test_times_are_medians_of_photos_that_every_variant_saw_in_turn(monkeypatch):
    detectors = {"mask-rcnn": build_mask_rcnn(TINY).eval(), "sr-rcnn": build_tiny(mode="small").eval()}
    factors = {None: 1.0, "always": 2.0, "never": 1.0, "gated": 3.0, "small": 1.5}
    calls = []

    def fake(detector, image):
        mode = getattr(detector, "mode", None)
        calls.append((mode, int(image)))
        return factors[mode] * {9: 1000.0, 1: 10.0, 2: 20.0, 3: 90.0}[int(image)]

    monkeypatch.setattr(cost, "_time_ms", fake)
    told = cost.time_variants(detectors, [torch.tensor(n) for n in (1, 2, 3)])
    assert calls[5:10] == [(mode, 1) for mode in (None, "always", "never", "gated", "small")]
    assert {name: own["ratio"] for name, own in told.items()} == pytest.approx(
        {"mask-rcnn": 1, "sr-rcnn": 2, "sr-rcnn-without-generator": 1, "sr-rcnn-size-gate": 3, "sr-rcnn-small": 1.5}
    )
    assert told["sr-rcnn"]["ms_per_photo"] == 40
    assert detectors["sr-rcnn"].mode == "small"


def test_time_of_a_detection_is_above_zero():
    assert cost._time_ms(build_mask_rcnn(TINY).eval(), torch.rand(3, 64, 64)) > 0
