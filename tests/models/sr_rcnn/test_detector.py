"""Who learns what in which step, on images of 64 x 96 pixels."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.losses import sum_terms  # noqa: E402
from models.sr_rcnn.options import LossOptions  # noqa: E402
from models.structures import ContractError  # noqa: E402
from tests.models.sr_rcnn.tiny_detector import (  # noqa: E402
    build_batch,
    build_tiny,
    copy_state,
    name_changes,
    pair,
)

GENERATOR, GATE = "roi_heads.box_roi_pool.generator.", "roi_heads.box_roi_pool.gate."


@pytest.fixture
def detector():
    return build_tiny()


def step(terms, parameters):
    optimiser = torch.optim.SGD(parameters, 0.01)
    sum_terms(terms).backward()
    optimiser.step()


def name_learners(detector):
    return {name for name, p in detector.named_parameters() if p.grad is not None and bool(p.grad.any())}


def test_pairs_have_both_scales_and_their_targets(detector):
    pairs = pair(detector)
    count = len(pairs.labels)
    assert 16 < count <= 32
    assert pairs.lr_features.shape == pairs.hr_features.shape == (count, 8, 7, 7)
    assert pairs.boxes_xyxy_input.shape == pairs.box_targets.shape == (count, 4)
    assert set(pairs.labels.unique().tolist()) == {0, 1, 3}
    true_boxes = build_batch()[1][0]["boxes"].tolist()
    for label, box in ((1, true_boxes[0]), (3, true_boxes[1])):
        assert box in pairs.boxes_xyxy_input[pairs.labels == label].tolist()
    assert set(pairs.detector_losses) == {"rpn_objectness", "rpn_box", "mask"}
    assert all(bool(value.isfinite()) for value in pairs.detector_losses.values())


def test_generator_step_teaches_the_generator_alone(detector):
    before, pairs = copy_state(detector), pair(detector)
    step(detector.generator_terms(pairs), detector.parameters_of_generator())
    learners = name_learners(detector)
    assert learners == {name for name, _ in detector.named_parameters() if name.startswith(GENERATOR)}
    changed = name_changes(before, detector)
    assert learners <= changed
    assert all(name.startswith(GENERATOR) for name in changed)  # with its running statistics
    assert all(p.requires_grad for p in detector.parameters())


def test_discriminator_step_teaches_all_but_generator_and_gate(detector):
    before, pairs = copy_state(detector), pair(detector)
    step(detector.discriminator_terms(pairs), detector.parameters_of_discriminator())
    others = {name for name, _ in detector.named_parameters() if not name.startswith((GENERATOR, GATE))}
    assert all(p.grad is None for p in (*detector.parameters_of_generator(), *detector.parameters_of_gate()))
    learners = name_learners(detector)
    assert learners <= others
    for part in ("backbone.body.conv1", "backbone.fpn", "rpn", "roi_heads.box_head", "roi_heads.mask_head"):
        assert any(name.startswith(part) for name in learners), part
    changed = name_changes(before, detector)
    assert changed == learners


def test_gate_step_teaches_the_gate_alone(detector):
    pairs = pair(detector)
    torch.nn.init.normal_(detector.gate.out.weight)
    before = copy_state(detector)
    step(detector.gate_terms(pairs), detector.parameters_of_gate())
    expected = {name for name, _ in detector.named_parameters() if name.startswith(GATE)}
    assert name_learners(detector) == name_changes(before, detector) == expected
    assert detector.generator.training


def test_gate_learns_from_the_features_that_mode_gated_mixes(detector):
    pairs = pair(detector)
    found = detector.gate_terms(pairs)
    detector.mode = "gated"
    pool = detector.roi_heads.box_roi_pool.eval()
    verdict = detector.roi_heads.discriminate(pool.super_resolve(pairs.hr_features, pairs.boxes_xyxy_input))
    logits, labels = verdict.class_logits.detach().double().numpy(), pairs.labels.numpy()
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
    assert found["class"].item() == pytest.approx(expected.mean(), rel=1e-5)
    pool.train()
    other = detector.roi_heads.discriminate(pool.super_resolve(pairs.hr_features, pairs.boxes_xyxy_input))
    assert not torch.allclose(other.class_logits, verdict.class_logits, atol=1e-3)  # batch norms would tell


def test_parameter_groups_are_disjoint_and_complete(detector):
    groups = (
        detector.parameters_of_generator(),
        detector.parameters_of_discriminator(),
        detector.parameters_of_gate(),
    )
    ids = [id(p) for group in groups for p in group]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in detector.parameters()}


def test_both_steps_work_on_the_same_pairs(detector):
    pairs = pair(detector)
    step(detector.generator_terms(pairs), detector.parameters_of_generator())
    after = copy_state(detector.generator)
    step(detector.discriminator_terms(pairs), detector.parameters_of_discriminator())
    assert not name_changes(after, detector.generator)


def cut_all_but_the_generators_path(pairs):
    losses = {name: value.detach() for name, value in pairs.detector_losses.items()}
    return pairs._replace(hr_features=pairs.hr_features.detach(), detector_losses=losses)


@pytest.mark.parametrize("detaches_lr", [False, True])
def test_discriminator_reaches_the_backbone_through_the_generator(detaches_lr):
    detector = build_tiny(losses=LossOptions(detaches_lr=detaches_lr))
    terms = detector.discriminator_terms(cut_all_but_the_generators_path(pair(detector)))
    for name in ("adversarial", "class_lr", "box_lr"):
        detector.zero_grad()
        terms[name].backward(retain_graph=True)
        reached = {part for part in name_learners(detector) if part.startswith("backbone.")}
        assert ("backbone.body.conv1.weight" in reached) != detaches_lr, name


def test_gradient_through_the_generator_is_the_finite_difference():
    detector = build_tiny()
    pairs = pair(detector)
    heads = detector.roi_heads.double()
    wide = [value.detach().double() if value.is_floating_point() else value for value in pairs[:5]]
    pairs = cut_all_but_the_generators_path(type(pairs)(*wide, pairs.detector_losses))
    direction = torch.randn(pairs.lr_features.shape, generator=torch.Generator().manual_seed(0)).double()
    lr = pairs.lr_features.clone().requires_grad_()

    def measure(lr_features):
        terms = detector.discriminator_terms(pairs._replace(lr_features=lr_features))
        return terms["adversarial"] * 1000 + terms["class_lr"] + terms["box_lr"]

    (slope,) = torch.autograd.grad(measure(lr), lr)
    ends = [measure(pairs.lr_features + sign * 1e-6 * direction).item() for sign in (1, -1)]
    expected = (ends[0] - ends[1]) / 2e-6
    assert abs(expected) > 1e-4
    assert (slope * direction).sum().item() == pytest.approx(expected, rel=1e-4)
    assert heads.box_predictor.real_fake.weight.grad is None


def test_content_loss_falls_on_a_fixed_pair():
    detector = build_tiny(starts_as_identity=True)
    pairs = pair(detector)
    smooth = torch.nn.functional.avg_pool2d(pairs.hr_features.detach(), 3, 1, 1)
    pairs = pairs._replace(lr_features=smooth)
    optimiser = torch.optim.AdamW(detector.parameters_of_generator(), 0.01)
    content = []
    for _ in range(15):
        optimiser.zero_grad()
        terms = detector.generator_terms(pairs)
        content.append(terms["content"].item())
        sum_terms(terms).backward()
        optimiser.step()
    start = (smooth - pairs.hr_features).square().mean().item()
    assert content[0] == pytest.approx(start, rel=1e-5)  # the identity's
    assert content[-1] < 0.7 * start


def test_training_call_gives_the_discriminators_terms(detector):
    terms = detector(*build_batch())
    assert list(terms) == [
        "adversarial", "class_lr", "box_lr", "class_hr", "box_hr", "rpn_objectness", "rpn_box", "mask",
    ]  # fmt: skip
    with pytest.raises(ContractError, match="targets: expected 2"):
        detector(build_batch()[0])


def test_one_chance_gives_the_same_pairs_and_leaves_torchs_alone(detector):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, again, other = pair(detector), pair(detector), pair(detector, seed=7)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one.boxes_xyxy_input, again.boxes_xyxy_input)
    assert torch.equal(one.lr_features, again.lr_features)
    assert not torch.equal(one.boxes_xyxy_input, other.boxes_xyxy_input)


def test_detections_depend_on_the_mode(detector):
    images, _ = build_batch()
    detector.eval()
    scores = {}
    for mode in ("always", "never", "gated", "small"):
        detector.mode = mode
        with torch.no_grad():
            found = detector(images)
        assert len(found) == 2
        assert found[0]["boxes"].shape == (10, 4)
        assert found[0]["masks"].shape == (10, 1, 64, 96)
        scores[mode] = found[0]["scores"]
    assert not torch.equal(scores["always"], scores["never"])
    assert not torch.equal(scores["gated"], scores["never"])
    with pytest.raises(ValueError, match="mode: expected one of always"):
        detector.mode = "off"


def test_an_iteration_in_bfloat16_is_near_that_in_float32(detector):
    expected = {"generator": {}, "discriminator": {}, "gate": {}}
    found = {name: {} for name in expected}
    for store, enabled in ((expected, False), (found, True)):
        detector.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            pairs = pair(detector)
            for name in expected:
                store[name] = getattr(detector, f"{name}_terms")(pairs)
        for terms in store.values():
            loss = sum_terms(terms)
            assert loss.dtype == torch.float32
            loss.backward()
        assert all(bool(p.grad.isfinite().all()) for p in detector.parameters() if p.grad is not None)
        assert all(p.grad is not None for p in detector.parameters_of_generator())
    for name, terms in expected.items():
        for term, value in terms.items():
            if term.startswith(("rpn", "class")):
                assert found[name][term].item() == pytest.approx(value.item(), rel=0.1, abs=0.01), (name, term)
