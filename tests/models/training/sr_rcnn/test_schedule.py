import pytest

from models.training.sr_rcnn.schedule import rate_factor


def test_rate_drops_to_a_tenth_at_16_and_22_of_26():
    factors = [rate_factor(step, 260) for step in range(260)]
    assert factors[:160] == [1.0] * 160
    assert factors[160:220] == pytest.approx([0.1] * 60)
    assert factors[220:] == pytest.approx([0.01] * 40)


def test_rate_rises_linearly_while_warming_up():
    factors = [rate_factor(step, 1000, warmup_iterations=4) for step in range(5)]
    assert factors == pytest.approx([0.001, 0.25075, 0.5005, 0.75025, 1])
