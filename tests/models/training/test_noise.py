import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.segmenter.network import build_segmenter  # noqa: E402
from models.training.noise import DEPTH_DROP_RATE, cut_out, drop_features, set_stochastic_depth, shake_colours  # noqa: E402

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_without_noise_nothing_changes_and_nothing_is_drawn():
    rng = np.random.default_rng(5)
    image, hidden = cut_out(shake_colours(IMAGE, rng, 0.0), rng, 0.0)
    assert (image == IMAGE).all()
    assert not hidden.any()
    assert rng.random() == np.random.default_rng(5).random()
    features = [torch.ones(1, 4, 2, 2)]
    assert drop_features(features, 0.0) is features


def test_what_is_cut_out_is_told():
    changed = [cut_out(IMAGE, np.random.default_rng(seed), 1.0) for seed in range(20)]
    assert 5 <= sum(bool(hidden.any()) for _, hidden in changed) <= 15
    for image, hidden in changed:
        assert (image[~hidden] == IMAGE[~hidden]).all()


def test_colours_move_further_with_more_noise():
    def distance(noise):
        shaken = [shake_colours(IMAGE, np.random.default_rng(seed), noise) for seed in range(10)]
        return np.mean([np.abs(image.astype(float).mean() - IMAGE.mean()) for image in shaken])

    assert 0 < distance(0.3) < distance(1.0)


def test_blocks_are_left_out_while_training_alone_and_names_stay():
    torch.manual_seed(0)
    network = build_segmenter()
    names = list(network.state_dict())
    assert set_stochastic_depth(network.encoder, 0.0) == 0
    assert set_stochastic_depth(network.encoder, 1.0) == 16
    assert list(network.state_dict()) == names
    rates = [m.drop_path.drop_prob for m in network.encoder.modules() if hasattr(m, "drop_path")]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(DEPTH_DROP_RATE)
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        network.train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x))


def test_only_the_deepest_features_lose_channels():
    torch.manual_seed(0)
    shallow, deep = drop_features([torch.ones(2, 8, 4, 4), torch.ones(2, 50, 2, 2)], 1.0)
    assert (shallow == 1).all()
    dropped = (deep == 0).all(dim=(2, 3))
    assert 0 < dropped.sum() < 40
    assert ((deep == 0).any(dim=3).any(dim=2) == dropped).all()
