import pytest

torch = pytest.importorskip("torch", reason="networks need vehicle-damage[train]")

from models.sr_rcnn.discriminator import RealFakePredictor  # noqa: E402
from models.sr_rcnn.precision import Float32Predictor  # noqa: E402


def test_verdict_is_the_plain_predictor_and_one_more_layer():
    torch.manual_seed(0)
    plain = Float32Predictor(6, 4)
    predictor = RealFakePredictor(plain)
    x = torch.randn(5, 6)
    verdict = predictor.judge(x)
    assert torch.equal(verdict.class_logits, plain(x)[0])
    assert torch.equal(verdict.box_deltas, plain(x)[1])
    weight, bias = predictor.real_fake.weight.detach().numpy(), predictor.real_fake.bias.detach().numpy()
    expected = x.numpy() @ weight[0] + bias[0]
    assert verdict.real_logits.shape == (5,)
    assert verdict.real_logits.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_verdict_is_float32_under_autocast():
    predictor = RealFakePredictor(Float32Predictor(6, 4))
    x = torch.randn(5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found, narrow = predictor.judge(x), predictor.judge(x.bfloat16())
    assert [value.dtype for value in (*found, *narrow)] == [torch.float32] * 6
    for value, expected in zip(found, predictor.judge(x), strict=True):
        assert torch.equal(value, expected)
