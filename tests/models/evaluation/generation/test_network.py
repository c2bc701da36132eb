import hashlib

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="feature networks need vehicle-damage[train]")

import timm  # noqa: E402
from torch import nn  # noqa: E402

from models.evaluation.generation.network import (  # noqa: E402
    TorchFeatures,
    load_encoder,
    load_torchscript,
    resize_square,
)
from models.structures import ContractError  # noqa: E402

# TorchScript is on its way out of torch, but the networks whose numbers papers state are kept in it.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")


class ChannelMeans(nn.Module):
    """Means of the channels where asked, else their maxima; any size, uint8 or float."""

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        flat = x.float().flatten(2)
        return flat.mean(dim=2) if return_features else flat.amax(dim=2)


class Sized(nn.Module):
    """Takes 8 x 8 only."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(3 * 8 * 8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(x.flatten(1))[:, :, None, None]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 12, 10, 3), np.uint8)


@pytest.fixture
def script(tmp_path):
    torch.jit.script(ChannelMeans()).save(str(tmp_path / "net.pt"))
    return tmp_path / "net.pt"


def test_network_that_resizes_by_itself_gets_the_pixels_as_they_are(script, images):
    network = load_torchscript(script, name="means", arguments={"return_features": True}, batch_size=2)
    features = network.compute_features(images)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, images.mean(axis=(1, 2)), rtol=1e-6)
    assert network.name == "means_own"
    assert network.weights_sha256 == hashlib.sha256(script.read_bytes()).hexdigest()


def test_arguments_reach_the_network(script, images):
    features = load_torchscript(script, name="maxima").compute_features(images)
    np.testing.assert_array_equal(features, images.max(axis=(1, 2)))


def test_images_are_normalised_as_told(script, images):
    network = load_torchscript(
        script, name="m", arguments={"return_features": True}, input_px=10, mean=(0.5, 0, 0), std=(1, 2, 1)
    )
    assert network.name == "m_10_bicubic"
    square = images[:, :10]  # of the input's size: no resizing
    expected = (square.mean(axis=(1, 2)) / 255 - (0.5, 0, 0)) / (1, 2, 1)
    np.testing.assert_allclose(network.compute_features(square), expected, atol=1e-6)


@pytest.mark.parametrize(("size_hw", "side"), [((40, 40), 16), ((9, 13), 32), ((33, 20), 25)])
def test_filter_is_pillows_bicubic_without_rounding(size_hw, side):
    image = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), np.uint8)
    found = resize_square(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()), side)[0].numpy()
    planes = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    expected = np.stack([np.asarray(p.resize((side, side), Image.Resampling.BICUBIC)) for p in planes])
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), atol=2e-3)


def test_answer_does_not_depend_on_the_batch_size(tmp_path, images):
    torch.manual_seed(0)
    torch.jit.script(Sized()).save(str(tmp_path / "net.pt"))
    whole, single = (
        load_torchscript(tmp_path / "net.pt", name="n", input_px=8, batch_size=size).compute_features(images)
        for size in (64, 1)
    )
    assert whole.shape == (5, 5)
    np.testing.assert_allclose(whole, single, rtol=1e-5, atol=1e-5)


def test_file_that_is_no_torchscript_is_refused_by_path(tmp_path):
    (tmp_path / "net.pt").write_bytes(b"no module at all")
    with pytest.raises(ValueError, match=r"net\.pt: damaged"):
        load_torchscript(tmp_path / "net.pt", name="n")
    with pytest.raises(FileNotFoundError):
        load_torchscript(tmp_path / "absent.pt", name="n")


def test_network_that_takes_no_such_images_is_named(tmp_path, images):
    torch.jit.script(Sized()).save(str(tmp_path / "net.pt"))
    with pytest.raises(ValueError, match=r"sized_16_bicubic: images of shape \(5, 3, 16, 16\)"):
        load_torchscript(tmp_path / "net.pt", name="sized", input_px=16).compute_features(images)


def test_map_instead_of_a_vector_is_refused(images):
    network = TorchFeatures(lambda x: x.float(), name="maps", weights_sha256="", input_px=None)
    with pytest.raises(ValueError, match=r"maps: expected features \(N, F\), found \(5, 3, 12, 10\)"):
        network.compute_features(images)


@pytest.mark.parametrize("wrong", [np.zeros((2, 4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint8)])
def test_other_images_are_refused(script, wrong):
    with pytest.raises(ContractError, match="images"):
        load_torchscript(script, name="n").compute_features(wrong)


def test_no_image_is_refused(script):
    with pytest.raises(ValueError, match="images"):
        load_torchscript(script, name="n").compute_features(np.zeros((0, 4, 4, 3), np.uint8))


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    torch.manual_seed(3)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    path = tmp_path_factory.mktemp("weights") / "lite0.pth"
    torch.save(network.state_dict(), path)
    return network, path


@torch.inference_mode()
def test_head_is_what_the_classifier_sees(lite0, images):
    network, path = lite0
    loaded = load_encoder(path, input_px=32)
    features = loaded.compute_features(images)
    x = (resize_square(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), 32) - 127) / 128
    expected = network(x).numpy()
    assert features.shape == (5, 1280)
    assert loaded.name == "lite0_head_32_bicubic"
    by_hand = features @ network.classifier.weight.numpy().T + network.classifier.bias.numpy()
    np.testing.assert_allclose(by_hand, expected, atol=1e-4 * abs(expected).max())


@torch.inference_mode()
def test_last_stage_is_averaged_before_the_last_convolution(lite0, images):
    network, path = lite0
    features = load_encoder(path, layer="last_stage", input_px=64).compute_features(images[:1])
    x = (resize_square(torch.from_numpy(images[:1].transpose(0, 3, 1, 2).copy()), 64) - 127) / 128
    cells = network.blocks(network.bn1(network.conv_stem(x)))
    assert features.shape == (1, 320)
    np.testing.assert_allclose(features, cells.mean(dim=(2, 3)).numpy(), rtol=1e-3, atol=1e-5)


def test_unknown_layer_and_foreign_weights_are_refused(lite0, tmp_path):
    with pytest.raises(ValueError, match="layer"):
        load_encoder(lite0[1], layer="tail")
    headless = {name: value for name, value in lite0[0].state_dict().items() if not name.startswith("conv_head")}
    torch.save(headless, tmp_path / "headless.pth")
    with pytest.raises(ValueError, match=r"conv_head.*headless\.pth"):
        load_encoder(tmp_path / "headless.pth")
    with pytest.raises(FileNotFoundError):
        load_encoder(tmp_path / "absent.pth")
