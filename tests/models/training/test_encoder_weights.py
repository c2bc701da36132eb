import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

import timm  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from models.gate.network import DamageGate  # noqa: E402
from models.segmenter.network import build_segmenter  # noqa: E402
from models.training.encoder_weights import initialise_encoder  # noqa: E402
from models.training.errors import TrainingError  # noqa: E402


def random_state(network):
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }


@pytest.fixture(scope="module")
def lite0():
    return random_state(timm.create_model("tf_efficientnet_lite0"))


def stem(network):
    return next(value for name, value in network.encoder.state_dict().items() if name.endswith("conv_stem.weight"))


@pytest.mark.parametrize("build", [DamageGate, build_segmenter])
@pytest.mark.parametrize("kind", ["timm's names", "other names in the same order", "safetensors"])
def test_lite0_weights_reach_both_encoders(build, kind, lite0, tmp_path):
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(lite0, path)
    elif kind == "timm's names":
        torch.save(lite0, path)
    else:
        torch.save({f"layer{index}": value for index, value in enumerate(lite0.values())}, path)
    network = build()
    count = initialise_encoder(network.encoder, path)
    assert count == len(network.encoder.state_dict())
    assert torch.equal(stem(network), lite0["conv_stem.weight"])


@pytest.mark.parametrize("encoder", ["efficientnet-b0", "timm-efficientnet-b0"])
def test_other_encoders_take_a_state_dict_of_their_own_names(encoder, tmp_path):
    network = build_segmenter(encoder=encoder)
    given = random_state(network.encoder)
    torch.save({**given, "classifier.weight": torch.zeros(3)}, tmp_path / "w.pth")
    initialise_encoder(network.encoder, tmp_path / "w.pth")
    assert all(torch.equal(value, given[name]) for name, value in network.encoder.state_dict().items())


def test_gate_starts_from_the_encoder_of_a_segmenters_run(tmp_path):
    segmenter = build_segmenter()
    state = random_state(segmenter)
    torch.save({"network": {}, "averaged": state, "optimizer": {}, "state": {}}, tmp_path / "checkpoint.pt")
    for path in (tmp_path, tmp_path / "checkpoint.pt"):
        gate = DamageGate()
        initialise_encoder(gate.encoder, path)
        assert torch.equal(stem(gate), state["unet.encoder.model.conv_stem.weight"])


@pytest.mark.parametrize("content", [{"a": torch.zeros(2)}, {"averaged": {"b": torch.zeros(1)}}, {"a": 1}, {}])
def test_weights_of_another_network_are_refused_by_path(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(TrainingError, match=r"encoder_weights: .*w\.pth"):
        initialise_encoder(DamageGate().encoder, tmp_path / "w.pth")


def test_shapes_of_another_size_are_refused(tmp_path):
    torch.save(build_segmenter(encoder="efficientnet-b1").encoder.state_dict(), tmp_path / "w.pth")
    torch.save({k: torch.zeros(1, 1) for k in DamageGate().encoder.state_dict()}, tmp_path / "s.pth")
    for name, network in (("w.pth", build_segmenter(encoder="efficientnet-b2")), ("s.pth", DamageGate())):
        with pytest.raises(TrainingError, match="encoder_weights"):
            initialise_encoder(network.encoder, tmp_path / name)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_file_is_refused_by_path(name, tmp_path):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(TrainingError, match=name):
        initialise_encoder(DamageGate().encoder, tmp_path / name)
