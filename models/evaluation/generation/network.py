"""Feature networks from a file: any TorchScript module, or an EfficientNet-Lite0 encoder; nothing is fetched."""

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import timm
import torch
from torch import nn
from torch.nn import functional as F

from models.structures import check_array
from models.training.encoder_weights import LITE0, initialise_encoder

FILTER: Final = "bicubic"
"""Keys' cubic convolution with a = -0.5, widened when shrinking: what Pillow calls BICUBIC. Clipped to 0–255."""
LITE0_MEAN: Final = (127 / 255,) * 3
LITE0_STD: Final = (128 / 255,) * 3
ENCODER_LAYERS: Final = ("head", "last_stage")


class TorchFeatures:
    """A FeatureNetwork over a torch module."""

    def __init__(
        self,
        network: Callable[[torch.Tensor], torch.Tensor],
        *,
        name: str,
        weights_sha256: str,
        input_px: int | None,
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        std: Sequence[float] = (1.0, 1.0, 1.0),
        batch_size: int = 64,
        device: str = "cpu",
    ) -> None:
        """Take a module that is in evaluation mode and on the device.

        Args:
            network: (N, 3, H, W) to (N, F), or (N, F, 1, 1).
            name: as FeatureNetwork.name.
            weights_sha256: of the file of weights.
            input_px: images are resized to this square by FILTER and normalised; None hands the network uint8 of the
                images' own size.
            mean: per RGB channel, on the 0 to 1 scale; not for input_px None.
            std: per RGB channel, likewise.
            batch_size: images at once.
            device: torch's name of it.

        Raises:
            ValueError: batch_size or input_px below one.
        """
        if batch_size < 1 or (input_px is not None and input_px < 1):
            raise ValueError(f"batch_size, input_px: expected at least 1, found {batch_size}, {input_px}")
        self.name, self.weights_sha256 = name, weights_sha256
        self._network, self._input_px, self._batch_size, self._device = network, input_px, batch_size, device
        self._mean, self._std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (mean, std))

    @torch.inference_mode()
    def compute_features(self, images: np.ndarray) -> np.ndarray:
        """Compute one vector an image, batch by batch.

        Args:
            images: uint8 (N, H, W, 3) RGB, N >= 1.

        Returns:
            float32 (N, F).

        Raises:
            ContractError: wrong shape or dtype.
            ValueError: the network takes no such images, or gives no vector an image.
        """
        check_array("images", images, (None, None, None, 3), np.uint8)
        if not images.size:
            raise ValueError(f"images: expected at least one pixel, found shape {images.shape}")
        return np.concatenate(
            [self._compute(images[i : i + self._batch_size]) for i in range(0, len(images), self._batch_size)]
        )

    def _compute(self, images: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(self._device)  # (N, 3, H, W)
        if self._input_px is not None:
            x = (resize_square(x, self._input_px) / 255 - self._mean) / self._std
        try:
            features = self._network(x)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"{self.name}: images of shape {tuple(x.shape)}, {x.dtype}: {reason}") from error
        found = tuple(features.shape) if torch.is_tensor(features) else type(features).__name__
        if not torch.is_tensor(features) or features.ndim < 2 or features[0].numel() != features.shape[1]:
            raise ValueError(f"{self.name}: expected features (N, F), found {found}")
        return features.flatten(1).float().cpu().numpy()


def resize_square(images: torch.Tensor, side_px: int) -> torch.Tensor:
    """Resize by FILTER, without rounding.

    Args:
        images: (N, 3, H, W), 0 to 255.
        side_px: of the square.

    Returns:
        float32 (N, 3, side_px, side_px), 0 to 255; an image of that size is unchanged.

    Source: Parmar et al. 2022, arXiv 2104.11222: an antialiased filter, no quantisation before the network.
    """
    x = images.float()
    if x.shape[-2:] == (side_px, side_px):
        return x
    return F.interpolate(x, size=(side_px, side_px), mode=FILTER, antialias=True).clamp(0, 255)


def load_torchscript(
    path: Path,
    *,
    name: str,
    arguments: Mapping[str, Any] | None = None,
    input_px: int | None = None,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    batch_size: int = 64,
    device: str = "cpu",
) -> TorchFeatures:
    """Load a TorchScript module; it is code, so only from a source you trust.

    Args:
        path: the file. For numbers comparable with papers: Inception-v3 with TensorFlow's weights of 2015-12-05 as
            TorchScript, whose 2048 pooled features come with name="inception_v3",
            arguments={"return_features": True} and input_px=None, as it resizes by itself.
        name: of the network; the filter is added to it, "own" where the network resizes.
        arguments: handed to the module by keyword, after the images.
        input_px: None: the module takes uint8 (N, 3, H, W) RGB of any size. Otherwise: it takes float32 of this square,
            resized by FILTER and normalised by mean and std.
        mean: per RGB channel, on the 0 to 1 scale.
        std: per RGB channel, on the 0 to 1 scale.
        batch_size: images at once.
        device: torch's name of it.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no TorchScript module.
    """
    digest = _sha256(path)
    try:
        module = torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        raise ValueError(f"{path}: damaged, or no TorchScript module: {str(error).splitlines()[0]}") from error
    keywords = dict(arguments or {})

    def run(x: torch.Tensor) -> torch.Tensor:
        # Fused kernels after the first calls would change the last bits from batch to batch.
        with torch.jit.optimized_execution(False):
            return module(x, **keywords)

    return TorchFeatures(
        run,
        name=f"{name}_own" if input_px is None else f"{name}_{input_px}_{FILTER}",
        weights_sha256=digest,
        input_px=input_px,
        mean=mean,
        std=std,
        batch_size=batch_size,
        device=device,
    )


def load_encoder(
    path: Path,
    *,
    layer: Literal["head", "last_stage"] = "head",
    input_px: int = 224,
    mean: Sequence[float] = LITE0_MEAN,
    std: Sequence[float] = LITE0_STD,
    batch_size: int = 64,
    device: str = "cpu",
) -> TorchFeatures:
    """Load EfficientNet-Lite0, for where Inception's weights cannot be had; its numbers compare only with each other.

    Args:
        path: weights as models.training.encoder_weights.initialise_encoder reads them.
        layer: "head": 1280 features after the last convolution, as ImageNet's classifier sees them; "last_stage": 320,
            also where the file has no head, as a segmenter's checkpoint. Both averaged over the cells.
        input_px: images are resized to this square.
        mean: per RGB channel, on the 0 to 1 scale, as the weights were trained.
        std: per RGB channel, likewise.
        batch_size: images at once.
        device: torch's name of it.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: damaged weights, or of another network or without this layer; an unknown layer.
    """
    if layer not in ENCODER_LAYERS:
        raise ValueError(f"layer: expected one of {', '.join(ENCODER_LAYERS)}, found {layer!r}")
    digest = _sha256(path) if path.is_file() else ""
    is_head = layer == "head"
    network = (
        timm.create_model(LITE0, pretrained=False, num_classes=0)
        if is_head
        else timm.create_model(LITE0, pretrained=False, features_only=True, out_indices=(4,))
    )
    initialise_encoder(network, path)
    network = network.eval().requires_grad_(False).to(device)
    return TorchFeatures(
        network if is_head else _LastStage(network),
        name=f"lite0_{layer}_{input_px}_{FILTER}",
        weights_sha256=digest,
        input_px=input_px,
        mean=mean,
        std=std,
        batch_size=batch_size,
        device=device,
    )


def load_feature_network(path: Path) -> TorchFeatures:
    """Load what a file holds: Inception-v3 as TorchScript, as papers measure with, or an EfficientNet-Lite0 encoder.

    Args:
        path: as load_torchscript has it for comparable numbers, or as load_encoder.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is neither.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                return load_torchscript(path, name="inception_v3", arguments={"return_features": True})
    return load_encoder(path)


class _LastStage(nn.Module):
    """The only map of a features_only network, float32 (N, F, h, w), averaged to (N, F)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)[0].mean(dim=(2, 3))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
