"""The frame in which generator and discriminator exchange images, and the way there from pixels and back.

pixels  uint8 (N, H, W, 3 | 4), RGB or RGBA; RGBA with straight colour, as files have it
images  float32 (N, 3 | 4, H, W), about [-1, 1]: -1 black or transparent, 1 full; RGBA with premultiplied colour

Colour is premultiplied because what is transparent has no colour: its value would teach the discriminator noise, and
filters would bleed it into the rim of the instance.
"""

import torch

from models.structures import ContractError


def encode_images(pixels: torch.Tensor) -> torch.Tensor:
    """Turn pixels into images.

    Args:
        pixels: uint8 (N, H, W, 3 | 4).

    Returns:
        float32 (N, 3 | 4, H, W), [-1, 1], contiguous.

    Raises:
        ContractError: another shape or dtype.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (3, 4):
        raise ContractError(f"pixels: expected uint8 (N, H, W, 3 | 4), found {pixels.dtype} {tuple(pixels.shape)}")
    parts = pixels.permute(0, 3, 1, 2).contiguous().float() / 255  # (N, C, H, W), [0, 1]
    if parts.shape[1] == 4:
        parts[:, :3] *= parts[:, 3:]
    return parts * 2 - 1


def decode_images(images: torch.Tensor) -> torch.Tensor:
    """Turn images into pixels; what leaves [-1, 1] is clipped.

    Args:
        images: float (N, 3 | 4, H, W), finite.

    Returns:
        uint8 (N, H, W, 3 | 4); RGBA with straight colour, black where alpha is 0.

    Raises:
        ContractError: another shape.
    """
    if images.ndim != 4 or images.shape[1] not in (3, 4):
        raise ContractError(f"images: expected (N, 3 | 4, H, W), found {tuple(images.shape)}")
    parts = (images.detach().float() + 1).clamp(0, 2) / 2
    if parts.shape[1] == 4:
        alpha = (parts[:, 3:] * 255).round() / 255
        colour = torch.where(alpha > 0, parts[:, :3] / alpha.clamp(min=1 / 255), 0.0)
        parts = torch.cat([colour.clamp(max=1), alpha], 1)
    return (parts * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def compose_rgba(raw: torch.Tensor) -> torch.Tensor:
    """Turn colour and alpha logits into an image: the generator cannot colour what is transparent.

    Args:
        raw: float (N, 4, H, W), straight colour, about [-1, 1], and the logits of alpha.

    Returns:
        float (N, 4, H, W), premultiplied colour and alpha, alpha within [-1, 1].
    """
    alpha = torch.sigmoid(raw[:, 3:])
    return torch.cat([(raw[:, :3] + 1) * alpha - 1, alpha * 2 - 1], 1)
