"""Single steps on two images of 64 x 96 pixels."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.sr_rcnn.options import SuperResolutionOptions  # noqa: E402
from models.training.errors import TrainingError  # noqa: E402
from models.training.processes import Processes  # noqa: E402
from models.training.sr_rcnn.options import MASK_RCNN, SR_RCNN  # noqa: E402
from models.training.sr_rcnn.state import Recipe, build_state  # noqa: E402
from models.training.sr_rcnn.steps import take_gate_step, take_step  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import TINY, build_batch, copy_state, name_changes  # noqa: E402
from tests.models.training.sr_rcnn.tiny_coco import OPTIONS  # noqa: E402

RUN = replace(OPTIONS, detector=TINY, learning_rate=0.01)
ALONE = Processes(0, 1, torch.device("cpu"))
GENERATOR, GATE = "roi_heads.box_roi_pool.generator.", "roi_heads.box_roi_pool.gate."


def start(name, **changes):
    return build_state(Recipe(name, 1, ("a", "b", "c"), 4, "", replace(RUN, **changes)), ALONE, None)


def step(state, take=take_step, options=RUN, seed=3):
    return take(state, build_batch(), torch.Generator().manual_seed(seed), options, ALONE)


def test_both_detectors_start_alike_and_draw_the_same_regions():
    plain, added = step(start(MASK_RCNN)), step(start(SR_RCNN))
    expected = {  # the same losses of the original features, each by its own weights
        "detector_class_hr": 0.5 * plain["detector_class"],
        "detector_box_hr": 0.5 * plain["detector_box"],
        "detector_rpn_objectness": plain["detector_rpn_objectness"],
        "detector_rpn_box": 10 * plain["detector_rpn_box"],
        "detector_mask": plain["detector_mask"],
    }
    assert {name: added[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert plain["detector_box"] > 0
    other = step(start(MASK_RCNN), seed=4)
    assert other["detector_class"] != plain["detector_class"]


def test_sgd_steps_by_the_rate_and_the_gradient_alone():
    state = start(MASK_RCNN, learning_rate=0.02, weight_decay=0.0, max_gradient_norm=1e9)
    before = copy_state(state.network)
    step(state, options=replace(RUN, max_gradient_norm=1e9))
    for name, parameter in state.network.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name] - 0.02 * parameter.grad, msg=name)


def test_gradient_is_shortened_to_its_limit():
    state = start(MASK_RCNN, weight_decay=0.0)
    before = copy_state(state.network)
    step(state, options=replace(RUN, max_gradient_norm=0.5))
    moved = [(p.detach() - before[name]).square().sum() for name, p in state.network.named_parameters()]
    assert math.sqrt(sum(moved)) == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_a_step_teaches_generator_and_detector_but_not_the_gate():
    state = start(SR_RCNN)
    before = copy_state(state.network)
    told = step(state)
    changed = name_changes(before, state.network)
    parameters = {name for name, _ in state.network.named_parameters()}
    assert {name for name in parameters if name.startswith(GENERATOR)} & changed
    assert not {name for name in parameters if name.startswith(GATE)} & changed
    assert {"backbone.body.conv1.weight", "rpn.head.cls_logits.weight", "roi_heads.mask_head.0.0.weight"} <= changed
    assert {"generator_content", "detector_adversarial", "detector_mask"} <= set(told)
    assert state.optimizers["generator"].defaults["lr"] == 1e-4
    assert isinstance(state.optimizers["generator"], torch.optim.AdamW)


def test_gate_step_changes_the_gate_alone_with_all_else_as_at_inference():
    state = start(
        SR_RCNN,
        detector=replace(TINY, norm="batch"),  # its running statistics must stay too
        super_resolution=SuperResolutionOptions(n_blocks=2, starts_as_identity=False),
    )
    torch.nn.init.normal_(state.network.gate.out.weight, generator=torch.Generator().manual_seed(0))
    before = copy_state(state.network)
    told = step(state, take_gate_step)
    changed = name_changes(before, state.network)
    assert changed == {name for name in before if name.startswith(GATE)}
    assert set(told) == {"gate_class", "gate_box"}


def test_bfloat16_step_is_near_the_float32_one():
    exact, near = step(start(SR_RCNN)), step(start(SR_RCNN), options=replace(RUN, precision="bf16"))
    for name in ("detector_rpn_objectness", "detector_class_hr", "generator_class"):
        assert near[name] == pytest.approx(exact[name], rel=0.1), name
        assert near[name] != exact[name]


@pytest.mark.parametrize("name", [MASK_RCNN, SR_RCNN])
def test_loss_that_is_not_finite_stops_before_the_weights_change(name):
    state = start(name)
    torch.nn.init.constant_(state.network.roi_heads.mask_predictor.mask_fcn_logits.bias, math.inf)
    before = copy_state(state.network)
    with pytest.raises(TrainingError, match=r"^step 0: detector: the loss is not finite \(.*detector_mask nan"):
        step(state)
    assert all(part.startswith(GENERATOR) for part in name_changes(before, state.network))


def test_jitter_changes_the_size_in_training_alone():
    state = start(MASK_RCNN, jitter_sizes_px=(32, 48))
    assert state.network.transform.min_size == (32, 48, TINY.min_size_px)
    image = build_batch()[0][:1]
    sides = {tuple(state.network.train().transform(image)[0].image_sizes[0]) for _ in range(30)}
    assert {min(side) for side in sides} == {32, 48, 64}
    assert {min(state.network.eval().transform(image)[0].image_sizes[0]) for _ in range(5)} == {64}
