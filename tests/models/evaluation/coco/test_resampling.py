import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="COCO's evaluation needs vehicle-damage[train]")

from models.evaluation.coco import MEASURES, evaluate_coco, resample_measures
from tests.models.evaluation.coco.scenes import annotate, detect, random_scenes


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_every_photo_once_and_copies_are_what_pycocotools_says_of_them(kind):
    preds, gts = random_scenes(photos=5, seed=4)
    weights = np.array([[1, 1, 1, 1, 1], [2, 0, 1, 0, 3]])
    found = resample_measures(evaluate_coco(preds, gts, 2, kind=kind), weights)
    assert tuple(sorted(found)) == tuple(sorted(MEASURES))
    for row, counts in enumerate(weights):
        chosen = np.repeat(np.arange(5), counts)
        expected = evaluate_coco([preds[i] for i in chosen], [gts[i] for i in chosen], 2, kind=kind).measures
        for name in MEASURES:
            assert found[name][row] == pytest.approx(expected[name], abs=1e-6, nan_ok=True), (name, row)
    assert 0 < found["AP_S"][0] < 1
    assert found["AP"][0] != pytest.approx(found["AP"][1], abs=1e-3)


def test_sample_without_a_class_averages_the_others():
    gts = [annotate([0, 0, 40, 40, 1]), annotate([0, 0, 40, 40, 2])]
    preds = [detect([0, 0, 40, 40, 1, 0.9]), detect()]
    found = resample_measures(evaluate_coco(preds, gts, 2), np.array([[1, 1], [2, 0], [0, 2], [0, 0]]))["AP"]
    assert found[:3] == pytest.approx([0.5, 1, 0])
    assert np.isnan(found[3])
