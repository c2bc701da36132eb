import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

import timm  # noqa: E402

from models.training.errors import TrainingError  # noqa: E402
from models.training.processes import Processes  # noqa: E402
from models.training.sr_rcnn.options import MASK_RCNN, SR_RCNN  # noqa: E402
from models.training.sr_rcnn.state import Recipe, build_state, load_state_content  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY  # noqa: E402
from tests.models.training.sr_rcnn.tiny_coco import OPTIONS  # noqa: E402

RUN = replace(OPTIONS, detector=TINY)
ALONE = Processes(0, 1, torch.device("cpu"))


def recipe(name, detector=TINY):
    return Recipe(name, 1, ("a", "b", "c"), 4, "", replace(RUN, detector=detector))


def test_both_detectors_start_from_the_encoders_file(tmp_path):
    encoder = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    with torch.no_grad():
        encoder.bn1.running_mean += 3
    torch.save(encoder.state_dict(), tmp_path / "lite0.pth")
    lite0 = replace(TINY, backbone="efficientnet-lite0", norm="frozen")
    for name in (MASK_RCNN, SR_RCNN):
        body = build_state(recipe(name, lite0), ALONE, tmp_path / "lite0.pth").network.backbone.body.state_dict()
        assert body["bn1.running_mean"].mean() == pytest.approx(3)
        assert all(torch.equal(value, encoder.state_dict()[key]) for key, value in body.items())
    with pytest.raises(TrainingError, match="encoder_weights: expected the encoder's names"):
        build_state(recipe(SR_RCNN), ALONE, tmp_path / "lite0.pth")


def test_both_detectors_go_on_from_the_base(tmp_path):
    first = build_state(recipe(MASK_RCNN), ALONE, None)
    with torch.no_grad():
        first.network.roi_heads.box_predictor.cls_score.bias += 1
    first.save(tmp_path / "base.pt", recipe(MASK_RCNN))
    expected = first.network.state_dict()
    for name in (MASK_RCNN, SR_RCNN):
        found = build_state(recipe(name), ALONE, None, base=tmp_path / "base.pt").network.state_dict()
        assert all(torch.equal(found[key], value) for key, value in expected.items())
        assert (found.keys() == expected.keys()) == (name == MASK_RCNN)


def test_an_sr_rcnn_is_no_base(tmp_path):
    build_state(recipe(SR_RCNN), ALONE, None).save(tmp_path / "base.pt", recipe(SR_RCNN))
    with pytest.raises(TrainingError, match=r"base\.pt: no Mask R-CNN of these options"):
        build_state(recipe(MASK_RCNN), ALONE, None, base=tmp_path / "base.pt")


def test_sgds_rate_grows_with_the_processes_the_generators_does_not():
    state = build_state(recipe(SR_RCNN), Processes(0, 4, torch.device("cpu")), None)
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in state.optimizers.items()}
    assert rates == {"detector": pytest.approx(0.01), "generator": 1e-4, "gate": 1e-2}
    assert set(build_state(recipe(MASK_RCNN), ALONE, None).optimizers) == {"detector"}


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    state = build_state(recipe(MASK_RCNN), ALONE, None)
    path = tmp_path / "checkpoint.pt"
    state.save(path, recipe(MASK_RCNN))
    before = path.read_bytes()
    torch.nn.init.constant_(state.network.roi_heads.box_head.fc6.bias, math.nan)
    with pytest.raises(TrainingError, match=r"^step 0: roi_heads\.box_head\.fc6\.bias is not finite; the last"):
        state.save(path, recipe(MASK_RCNN))
    assert path.read_bytes() == before


def test_checkpoint_of_another_network_is_refused(tmp_path):
    state = build_state(recipe(MASK_RCNN), ALONE, None)
    state.save(tmp_path / "checkpoint.pt", recipe(MASK_RCNN))
    saved = load_state_content(tmp_path / "checkpoint.pt")
    with pytest.raises(TrainingError, match="checkpoint: of another network"):
        build_state(recipe(SR_RCNN), ALONE, None).restore(saved)
