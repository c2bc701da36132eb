import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.segmenter.network import SegmenterForExport, UNetSegmenter, build_segmenter  # noqa: E402

X = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [
        ("unet", "tu-tf_efficientnet_lite0"),
        ("unet", "efficientnet-b0"),
        ("unet", "timm-efficientnet-b0"),
        ("deeplabv3plus", "tu-tf_efficientnet_lite0"),
        ("deeplabv3plus", "efficientnet-b0"),
    ],
)
def test_every_architecture_gives_a_logit_a_pixel_and_class(architecture, encoder):
    network = build_segmenter(architecture, encoder).eval()
    with torch.no_grad():
        logits = network(X)
        assert logits.shape == (2, 3, 64, 96)
        torch.testing.assert_close(network.decode(network.encode(X)), logits)
        torch.testing.assert_close(SegmenterForExport(network)(X), torch.sigmoid(logits))
        assert torch.sigmoid(logits).mean() < 0.2  # damage is rare


def test_default_keeps_the_names_that_checkpoints_have():
    names = build_segmenter().state_dict().keys()
    assert names == UNetSegmenter().state_dict().keys()
    for name in ("unet.encoder.model.conv_stem.weight", "unet.segmentation_head.0.bias"):
        assert name in names
    assert build_segmenter().unet.segmentation_head[0].in_channels == 16


def test_decoder_takes_other_widths():
    assert build_segmenter(decoder_channels=[64, 48, 32, 16, 8]).unet.segmentation_head[0].in_channels == 8
    assert build_segmenter("deeplabv3plus", decoder_channels=[64]).deeplab.segmentation_head[0].in_channels == 64


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("fpn",), "architecture.*fpn"),
        (("unet", "efficientnet-b9"), "encoder.*efficientnet-b9"),
        (("unet", "tu-nothing"), "encoder.*tu-nothing"),
        (("deeplabv3plus", "efficientnet-b0", (1, 2)), "decoder_channels"),
        (("unet", "efficientnet-b0", (16, 16)), "decoder_channels"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=named):
        build_segmenter(*arguments)
