"""Checks of what a detector is trained with."""

import torch

from models.structures import ContractError


def check_targets(
    images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]] | None, n_classes: int
) -> list[dict[str, torch.Tensor]]:
    """Refuse targets that do not fit their images.

    Args:
        images: float (3, H, W) each.
        targets: boxes float (n, 4) xyxy of positive sides, labels int64 (n,) from 1 on, masks uint8 (n, H, W); n may
            be 0.
        n_classes: with the background.

    Returns:
        The targets.

    Raises:
        ContractError: naming the target and its part.
    """
    if targets is None or len(targets) != len(images):
        raise ContractError(f"targets: expected {len(images)}, found {'none' if targets is None else len(targets)}")
    for index, (image, target) in enumerate(zip(images, targets, strict=True)):
        for name in ("boxes", "labels", "masks"):
            if name not in target:
                raise ContractError(f"targets[{index}].{name}: missing")
        boxes, labels = target["boxes"], target["labels"]
        count = len(labels)
        for name, shape in (("boxes", (count, 4)), ("labels", (count,)), ("masks", (count, *image.shape[1:]))):
            if tuple(target[name].shape) != shape:
                raise ContractError(f"targets[{index}].{name}: expected {shape}, found {tuple(target[name].shape)}")
        if not boxes.is_floating_point() or labels.dtype != torch.int64:
            raise ContractError(
                f"targets[{index}]: expected float boxes and int64 labels, found {boxes.dtype} and {labels.dtype}"
            )
        if bool((boxes[:, 2:] <= boxes[:, :2]).any()) or not bool(boxes.isfinite().all()):
            raise ContractError(f"targets[{index}].boxes: expected positive sides, found {boxes.tolist()}")
        if bool(((labels < 1) | (labels >= n_classes)).any()):
            raise ContractError(f"targets[{index}].labels: expected 1 to {n_classes - 1}, found {labels.tolist()}")
    return targets
