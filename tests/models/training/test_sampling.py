import numpy as np
import pytest

from models.training.sampling import draw_forever, prefetch


def test_groups_are_drawn_by_share_and_every_item_once_a_round():
    draws = draw_forever([["a", "b"], [], ["c"]], [0.75, 5.0, 0.25], np.random.default_rng(0))
    drawn = [next(draws) for _ in range(4000)]
    assert drawn.count("c") == pytest.approx(1000, abs=100)
    assert abs(drawn.count("a") - drawn.count("b")) <= 1


def test_no_items_at_all_are_refused():
    with pytest.raises(ValueError, match="groups"):
        next(draw_forever([[], []], [1, 1], np.random.default_rng(0)))


def test_prepared_samples_come_in_order():
    numbers = iter(range(100))
    ready = prefetch(lambda: next(numbers), depth=3)
    assert [next(ready) for _ in range(10)] == list(range(10))


def test_error_while_preparing_reaches_the_training_loop():
    def fail():
        raise OSError("no such photo")

    with pytest.raises(OSError, match="no such photo"):
        next(prefetch(fail))
