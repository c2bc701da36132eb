import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.targets import check_targets  # noqa: E402
from models.structures import ContractError  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import build_batch  # noqa: E402


def test_fitting_targets_pass():
    images, targets = build_batch()
    assert check_targets(images, targets, 4) is targets


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("labels", torch.tensor([1, 4]), r"targets\[0\].labels: expected 1 to 3"),
        ("labels", torch.tensor([0, 1]), r"targets\[0\].labels: expected 1 to 3"),
        ("labels", torch.tensor([1.0, 2]), "int64"),
        ("boxes", torch.tensor([[0, 0, 5, 5], [4.0, 4, 4, 8]]), r"targets\[0\].boxes: expected positive sides"),
        ("boxes", torch.tensor([[0, 0, 5, 5], [4.0, 4, 9, torch.nan]]), r"targets\[0\].boxes: expected positive"),
        ("boxes", torch.zeros(3, 4), r"targets\[0\].boxes: expected \(2, 4\)"),
        ("masks", torch.zeros(2, 96, 64), r"targets\[0\].masks: expected \(2, 64, 96\)"),
        ("masks", None, r"targets\[0\].masks: missing"),
    ],
)
def test_others_are_refused_by_name(part, value, named):
    images, targets = build_batch()
    targets[0][part] = value
    if value is None:
        del targets[0][part]
    with pytest.raises(ContractError, match=named):
        check_targets(images, targets, 4)


@pytest.mark.parametrize("targets", [None, []])
def test_every_image_needs_a_target(targets):
    with pytest.raises(ContractError, match="targets: expected 2"):
        check_targets(build_batch()[0], targets, 4)
