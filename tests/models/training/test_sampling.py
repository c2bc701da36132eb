import numpy as np
import pytest

from models.training.sampling import draw_item, prefetch, step_rng


def test_groups_are_drawn_by_share_and_items_alike():
    rng = np.random.default_rng(0)
    drawn = [draw_item([["a", "b"], [], ["c"], ["d"]], [0.75, 5.0, 0.25, 0.0], rng) for _ in range(4000)]
    assert drawn.count("c") == pytest.approx(1000, abs=100)
    assert drawn.count("a") == pytest.approx(1500, abs=120)
    assert drawn.count("d") == 0


@pytest.mark.parametrize("groups", [[[], []], [["a"], []]])
def test_nothing_to_draw_is_refused(groups):
    with pytest.raises(ValueError, match="groups"):
        draw_item(groups, [0, 1], np.random.default_rng(0))


def test_chance_of_a_step_depends_on_seed_and_step_alone():
    first = step_rng(3, 7).random(4)
    step_rng(3, 6).random(100)
    assert (step_rng(3, 7).random(4) == first).all()
    assert (step_rng(4, 7).random(4) != first).all()
    assert (step_rng(3, 8).random(4) != first).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_the_order_of_their_steps(workers):
    assert list(prefetch(lambda step: step, 4, end_step=14, workers=workers, depth=2)) == list(range(4, 14))


def test_no_batch_is_made_far_ahead_of_its_use():
    made = []
    batches = prefetch(made.append, 0, depth=3)
    for _ in range(2):
        next(batches)
    batches.close()
    assert len(made) <= 5


def test_error_while_preparing_reaches_the_training_loop():
    def fail(step):
        raise OSError("no such photo")

    with pytest.raises(OSError, match="no such photo"):
        next(prefetch(fail, 0))
