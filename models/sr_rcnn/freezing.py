"""Who learns from a loss: the others are frozen while it is computed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Compute with modules whose weights and running statistics stay; gradients pass through them.

    What is computed inside never gives the modules' weights a gradient, also when differentiated later. Batch norms
    in training mode still use the batch's statistics.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    norms = [
        layer
        for module in modules
        for layer in module.modules()
        if isinstance(layer, BATCH_NORMS) and layer.track_running_stats
    ]
    for parameter in parameters:
        parameter.requires_grad_(False)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
        for norm in norms:
            norm.track_running_stats = True


@contextmanager
def as_at_inference(module: nn.Module) -> Iterator[None]:
    """Compute with a module in evaluation mode."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
