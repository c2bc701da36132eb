import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.gan.augmentation import augment_images  # noqa: E402
from models.gan.build import build_gan  # noqa: E402
from models.gan.generator import draw_crossovers  # noqa: E402
from models.gan.losses import discriminator_loss, generator_loss  # noqa: E402
from models.gan.mapping import MAPPINGS  # noqa: E402


def build(**options):
    return build_gan(32, **({"channel_base": 256, "channel_max": 16} | options))


def draw_z(seed, count=4):
    return torch.randn(count, 512, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("is_rgba", [False, True])
def test_one_step_in_bfloat16_reaches_every_weight(mapping, is_rgba):
    generator, discriminator = build(mapping=mapping, is_rgba=is_rgba)
    chance = torch.Generator().manual_seed(0)
    crossovers = draw_crossovers(4, generator.mapping.n_blocks, probability=0.9, generator=chance)
    with torch.autocast("cpu", torch.bfloat16):
        images, ws = generator(draw_z(1), noise=chance, other_z=draw_z(2), crossovers=crossovers)
        fake_logits = discriminator(augment_images(images, chance))
    assert [tensor.dtype for tensor in (images, ws, fake_logits)] == [torch.float32] * 3
    torch.testing.assert_close(images, generator.synthesis(ws), rtol=0.1, atol=0.15)  # as in float32
    with torch.autocast("cpu", torch.bfloat16):
        real_logits = discriminator(torch.randn_like(images))
    (generator_loss(fake_logits) + discriminator_loss(real_logits, fake_logits)).backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool(torch.isfinite(parameter.grad).all()), name
            assert bool(parameter.grad.any()), name


def test_same_arguments_give_the_same_networks_and_leave_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (build(seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    for network in ("generator", "discriminator"):
        states = [getattr(gan, network).state_dict() for gan in (first, again, other)]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_z_of_the_same_seed_is_not_the_first_weights():
    gan, z = build(seed=3), torch.randn(4, 512, generator=torch.Generator().manual_seed(3))
    weight = gan.generator.mapping.entry.weight[:4] * 0.01
    assert (weight - z).abs().mean() > 0.5


def test_default_is_the_transformer_of_the_paper_at_512_pixels():
    generator, discriminator = build_gan(512, channel_base=512, channel_max=4)
    ws = generator.mapping(draw_z(0, 1))
    assert ws.shape == (1, 8, 64)
    assert len(generator.mapping.blocks) == 4
    assert discriminator(generator.synthesis(ws)).shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"canvas_px": 40}, "canvas_px"), ({"mapping": "x"}, "mapping"), ({"channel_base": 8}, "channel_base")],
)
def test_what_cannot_be_built_is_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=f"^{named}: "):
        build_gan(**({"canvas_px": 32} | arguments))
