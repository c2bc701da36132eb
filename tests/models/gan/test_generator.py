import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.generator import Generator, draw_crossovers, mix_styles  # noqa: E402
from models.gan.mapping import build_mapping  # noqa: E402
from models.gan.synthesis import Synthesis  # noqa: E402
from models.training.checkpoint import copy_for_average, move_average  # noqa: E402


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def build():
    torch.manual_seed(0)
    return Generator(build_mapping("mlp", 3), Synthesis(16, channel_base=64, channel_max=4))


def draw_z(seed, count=3):
    return torch.randn(count, 512, generator=seeded(seed))


def test_styles_cross_at_the_block():
    ws, other = torch.zeros(4, 3, 64), torch.ones(4, 3, 64)
    mixed = mix_styles(ws, other, torch.tensor([0, 1, 2, 3]))
    assert (mixed == mixed[:, :, :1]).all()
    assert mixed[:, :, 0].tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_crossovers_are_even_among_the_blocks_and_as_rare_as_asked():
    drawn = draw_crossovers(8000, 5, probability=0.9, generator=seeded(0))
    counts = torch.bincount(drawn, minlength=6).tolist()
    assert counts[0] == 0
    assert counts[5] == pytest.approx(800, abs=110)  # four standard deviations
    assert counts[1:5] == pytest.approx([1800] * 4, abs=150)


def test_the_same_is_drawn_whatever_the_probability():
    always, mostly, never = (
        draw_crossovers(100, 4, probability=probability, generator=seeded(0)) for probability in (1.0, 0.5, 0.0)
    )
    assert always.max() == 3
    assert never.tolist() == [4] * 100
    is_mixed = mostly < 4
    assert 0 < is_mixed.sum() < 100
    assert torch.equal(mostly[is_mixed], always[is_mixed])


def test_mixed_images_are_those_of_the_mixed_rows():
    generator, z, other_z = build(), draw_z(1), draw_z(2)
    images, ws = generator(z, other_z=other_z, crossovers=torch.tensor([1, 2, 3]))
    own, other = generator.mapping(z), generator.mapping(other_z)
    expected = torch.stack([torch.cat([own[0, :1], other[0, 1:]]), torch.cat([own[1, :2], other[1, 2:]]), own[2]])
    torch.testing.assert_close(ws, expected)
    torch.testing.assert_close(images, generator.synthesis(expected, "const"))


def test_truncation_to_0_gives_one_image_and_1_the_trained_ones():
    generator, z = build(), draw_z(1)
    generator.mapping.track_mean(generator.mapping(draw_z(3, 16)), decay=0.0)
    same = generator.generate(z, psi=0.0)
    torch.testing.assert_close(same, same[:1].expand_as(same))
    torch.testing.assert_close(same[:1], generator.synthesis(generator.mapping.ws_mean[None]).detach())
    assert not generator.generate(z).requires_grad
    torch.testing.assert_close(generator.generate(z), generator(z)[0].detach())


def test_an_average_follows_weights_mean_and_noise():
    generator = build()
    averaged = copy_for_average(generator)
    generator.mapping.track_mean(torch.ones(1, 3, 64), decay=0.0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(1)
    before = averaged.synthesis.blocks[0].const.clone()
    move_average(averaged, generator, 0.75)
    torch.testing.assert_close(averaged.synthesis.blocks[0].const, before + 0.25)
    assert averaged.mapping.ws_mean.unique().tolist() == [0.25]
    noise = [network.synthesis.blocks[1].conv0.const_noise for network in (averaged, generator)]
    torch.testing.assert_close(*noise)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="mapping: expected 3 blocks, found 4"):
        Generator(build_mapping("mlp", 4), Synthesis(16, channel_base=64))
    with pytest.raises(ValueError, match="crossovers: expected together with other_z"):
        build()(draw_z(1), other_z=draw_z(2))
