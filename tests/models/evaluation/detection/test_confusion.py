import numpy as np
import pytest

from models.evaluation.detection.confusion import count_confusions
from models.structures import ContractError
from tests.models.evaluation.detection.scenes import CLASS_COUNT, annotated, predicted, random_detector, random_truth

BOX, FAR = [0, 0, 10, 10], [50, 50, 60, 60]


def test_each_kind_of_answer_has_its_cell():
    gts = [annotated([*BOX, 0], [*FAR, 1], [20, 20, 30, 30, 1], [80, 80, 90, 90, 0])]
    preds = [
        predicted(
            [*BOX, 0, 0.9],  # right
            [*FAR, 0, 0.8],  # taken for class 0
            [20, 20, 30, 30, 1, 0.2],  # too low to be shown
            [0, 80, 10, 90, 1, 0.7],  # on nothing
        )
    ]
    matrix = count_confusions(preds, gts, 2)
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 0, 1], [1, 1, 0]]
    np.testing.assert_array_equal(matrix.true_positive_shares, [0.5, 0])
    np.testing.assert_array_equal(matrix.missed_shares, [0.5, 0.5])


def test_truth_goes_to_the_most_certain_box_of_any_class():
    preds = [predicted([*BOX, 0, 0.6], [*BOX, 1, 0.7])]
    assert count_confusions(preds, [annotated([*BOX, 0])], 2).counts.tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]


def test_every_annotated_box_is_counted_once_in_its_column():
    rng = np.random.default_rng(0)
    gts = random_truth(rng, 30)
    preds = random_detector(rng, gts)
    counts = count_confusions(preds, gts, CLASS_COUNT).counts
    truth = np.bincount(np.concatenate([gt.class_ids for gt in gts]))
    shown = np.bincount(np.concatenate([p.class_ids[p.scores > 0.25] for p in preds]))
    assert counts.sum(axis=0)[:-1].tolist() == truth.tolist()
    assert counts.sum(axis=1)[:-1].tolist() == shown.tolist()


def test_class_without_truth_has_no_share():
    matrix = count_confusions([predicted()], [annotated([*BOX, 0])], 2)
    assert matrix.missed_shares[0] == 1
    assert np.isnan([matrix.missed_shares[1], matrix.true_positive_shares[1]]).all()


@pytest.mark.parametrize("confused", [0.1, 0.6])
def test_agrees_with_ultralytics(confused):
    torch = pytest.importorskip("torch", reason="ultralytics needs vehicle-damage[train]")
    from ultralytics.utils.metrics import ConfusionMatrix  # noqa: PLC0415 - slow, and a laptop may lack it

    rng = np.random.default_rng(1)
    gts = random_truth(rng, 40)
    preds = random_detector(rng, gts, confused=confused, jitter_px=6.0)
    expected = ConfusionMatrix({c: str(c) for c in range(CLASS_COUNT)})
    for pred, gt in zip(preds, gts, strict=True):
        answer = {"bboxes": pred.boxes_xyxy, "conf": pred.scores, "cls": pred.class_ids}
        truth = {"bboxes": gt.boxes_xyxy, "cls": gt.class_ids}
        expected.process_batch(
            {k: torch.from_numpy(v) for k, v in answer.items()},
            {k: torch.from_numpy(v) for k, v in truth.items()},
            conf=0.25,
            iou_thres=0.45,
        )
    np.testing.assert_array_equal(count_confusions(preds, gts, CLASS_COUNT).counts, expected.matrix)


def test_bad_arguments_are_named():
    with pytest.raises(ContractError, match="preds: expected 1 photos"):
        count_confusions([], [annotated()], 1)
    with pytest.raises(ContractError, match="gt 0: "):
        count_confusions([predicted()], [annotated([*BOX, 3])], 2)
