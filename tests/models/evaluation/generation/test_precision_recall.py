import numpy as np
import pytest

from models.evaluation.generation.precision_recall import PrecisionRecall, precision_recall
from models.structures import ContractError

SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def by_definition(generated, real, k):
    """Kynkäänniemi et al. 2019, eq. 1, row by row."""

    def share(rows, place):
        inside = 0
        for row in rows:
            inside += any(
                np.linalg.norm(row - ball) <= sorted(np.linalg.norm(place - ball, axis=1))[k] + 1e-9 for ball in place
            )
        return inside / len(rows)

    return share(generated, real), share(real, generated)


def test_sample_inside_the_real_ones_is_precise_and_covers_little():
    # Balls of k = 1 around the square's corners have radius 1, those around the cluster 0.1.
    cluster = np.array([[0.05, 0.0], [0.15, 0.0], [0.25, 0.0]])
    assert precision_recall(cluster, SQUARE, k=1) == PrecisionRecall(1.0, 0.25)


def test_border_of_a_ball_belongs_to_it():
    on_border = np.array([[2.0, 0.0], [2.0, 1.0], [5.0, 5.0]])
    assert precision_recall(on_border, SQUARE, k=1).precision == pytest.approx(2 / 3)


def test_far_samples_share_nothing():
    assert precision_recall(SQUARE + 10, SQUARE) == PrecisionRecall(0.0, 0.0)


@pytest.mark.parametrize("block_rows", [1, 5, 100])
def test_blocks_agree_with_the_definition(block_rows):
    rng = np.random.default_rng(0)
    generated, real = rng.normal(1.5, 1.0, size=(19, 3)), rng.normal(size=(23, 3))
    found = precision_recall(generated, real, k=3, block_rows=block_rows)
    assert (found.precision, found.recall) == by_definition(generated, real, 3)
    assert 0 < found.precision < 1
    assert 0 < found.recall < 1


def test_too_few_rows_for_k_are_refused():
    with pytest.raises(ContractError, match="generated: expected at least 4 rows"):
        precision_recall(SQUARE[:3], SQUARE)
    with pytest.raises(ValueError, match="k"):
        precision_recall(SQUARE, SQUARE, k=0)
