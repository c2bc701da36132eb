import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.freezing import as_at_inference, frozen  # noqa: E402


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 1), torch.nn.BatchNorm2d(2))
    layers[0].bias.requires_grad_(False)
    return layers


def test_frozen_passes_gradients_and_takes_none(network):
    x = torch.randn(3, 2, 4, 4, requires_grad=True)
    expected = network(x).detach()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with frozen(network):
        y = network(x)
    torch.testing.assert_close(y, expected)  # by the batch's statistics
    y.square().sum().backward()
    assert bool(x.grad.any())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


def test_frozen_ends_with_its_block_also_by_an_error(network):
    with pytest.raises(KeyError), frozen(network):
        raise KeyError
    assert [parameter.requires_grad for parameter in network.parameters()] == [True, False, True, True]
    before = network[1].running_mean.clone()
    network(torch.randn(3, 2, 4, 4))
    assert not torch.equal(network[1].running_mean, before)


@pytest.mark.parametrize("is_training", [False, True])
def test_as_at_inference_gives_the_mode_back(network, is_training):
    network.train(is_training)
    with as_at_inference(network):
        assert not network[1].training
    assert network[1].training == is_training
