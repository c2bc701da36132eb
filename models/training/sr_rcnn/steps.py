"""One step of a detector: of plain Mask R-CNN, of SR-RCNN's two players, of SR-RCNN's gate."""

import math

import torch
from torch import nn
from torchvision.models.detection import MaskRCNN

from models.sr_rcnn.detector import SrRcnn, drawn_from
from models.sr_rcnn.freezing import as_at_inference
from models.sr_rcnn.losses import Terms, sum_terms
from models.training.errors import TrainingError
from models.training.loop import autocast
from models.training.processes import Processes
from models.training.sr_rcnn.batches import Batch
from models.training.sr_rcnn.options import RunOptions
from models.training.sr_rcnn.state import DetectorState

PLAIN_TERMS = {
    "loss_classifier": "class",
    "loss_box_reg": "box",
    "loss_objectness": "rpn_objectness",
    "loss_rpn_box_reg": "rpn_box",
    "loss_mask": "mask",
}


def take_step(
    state: DetectorState, batch: Batch, chance: torch.Generator, options: RunOptions, processes: Processes
) -> dict[str, float]:
    """Train the detector on one batch; an SR-RCNN's generator first, then all else, on the same pairs.

    Returns:
        The losses' terms, for the log.

    Raises:
        TrainingError: a loss or a gradient is not finite; its optimizer has not stepped.
    """
    network, device = state.network, processes.device
    network.train()
    if isinstance(network, MaskRCNN):
        with drawn_from(chance, device), autocast(options.precision, device):
            losses = network(*batch)
        return _update(state, "detector", {PLAIN_TERMS[k]: v for k, v in losses.items()}, options, processes)
    with autocast(options.precision, device):
        pairs = network.pair(*batch, chance)
    with autocast(options.precision, device):
        terms = network.generator_terms(pairs)
    told = _update(state, "generator", terms, options, processes)
    with autocast(options.precision, device):
        terms = network.discriminator_terms(pairs)
    return told | _update(state, "detector", terms, options, processes)


def take_gate_step(
    state: DetectorState, batch: Batch, chance: torch.Generator, options: RunOptions, processes: Processes
) -> dict[str, float]:
    """Train an SR-RCNN's gate on one batch; all else stays, and computes as it does at inference.

    Returns:
        The loss' terms, for the log.

    Raises:
        TrainingError: as take_step.
    """
    network, device = state.network, processes.device
    assert isinstance(network, SrRcnn)
    network.train()
    with as_at_inference(network.backbone), as_at_inference(network.transform):
        with torch.no_grad(), autocast(options.precision, device):
            pairs = network.pair(*batch, chance)
        with autocast(options.precision, device):
            terms = network.gate_terms(pairs)
    return _update(state, "gate", terms, options, processes)


def _update(
    state: DetectorState, name: str, terms: Terms, options: RunOptions, processes: Processes
) -> dict[str, float]:
    """Step one optimizer by the sum of terms."""
    loss = sum_terms(terms)
    told = {f"{name}_{term}": value.item() for term, value in terms.items()}
    if not math.isfinite(loss.item()):
        values = ", ".join(f"{term} {value:.4g}" for term, value in told.items())
        raise TrainingError(f"step {state.step}: {name}: the loss is not finite ({values})")
    optimizer = state.optimizers[name]
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = nn.ParameterList(optimizer.param_groups[0]["params"])
    processes.average_gradients(parameters)
    longest = options.max_gradient_norm if name == "detector" else math.inf
    norm = nn.utils.clip_grad_norm_(parameters.parameters(), longest)
    if not math.isfinite(norm.item()):
        raise TrainingError(f"step {state.step}: {name}: the gradient is not finite")
    optimizer.step()
    return told
