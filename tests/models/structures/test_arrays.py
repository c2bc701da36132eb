"""Contract checks refuse everything but what was promised, and say what they found."""

import numpy as np
import pytest

from models.structures import ContractError, check_array, check_image


def test_what_was_promised_passes():
    check_array("probs", np.zeros((3, 4, 5), np.float32), (3, None, None), np.float32, value_range=(0, 1))
    check_array("probs", np.ones((3, 4, 5), np.float32)[:, ::2], (3, 2, 5), np.float32, value_range=(0, 1))
    check_array("none", np.zeros((0, 4), np.float32), (None, 4), np.float32, value_range=(0, 1))
    check_array("scalar", np.array(1.0), (), np.float64)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        ([[0.0]], "probs: expected a numpy array, found list"),
        (None, "probs: expected a numpy array, found NoneType"),
        (np.zeros((2, 3)), "probs: expected dtype float32, found float64"),
        (np.zeros((2, 3), bool), "probs: expected dtype float32, found bool"),
        (np.zeros((2, 3), ">f4"), "probs: expected dtype float32, found >f4"),
        (np.zeros((3, 2), np.float32), "probs: expected shape (2, any), found (3, 2)"),
        (np.zeros((2, 3, 1), np.float32), "probs: expected shape (2, any), found (2, 3, 1)"),
        (np.zeros(2, np.float32), "probs: expected shape (2, any), found (2,)"),
        (np.full((2, 3), 1.5, np.float32), "probs: expected values in [0, 1], found 1.5 to 1.5"),
        (np.full((2, 3), -0.5, np.float32), "probs: expected values in [0, 1], found -0.5 to -0.5"),
        (np.full((2, 3), np.nan, np.float32), "probs: expected values in [0, 1], found nan to nan"),
        (np.full((2, 3), np.inf, np.float32), "probs: expected values in [0, 1], found inf to inf"),
    ],
)
def test_the_words_name_the_argument_the_expected_and_the_found(array: object, words: str):
    with pytest.raises(ContractError) as refusal:
        check_array("probs", array, (2, None), np.float32, value_range=(0, 1))
    assert str(refusal.value) == words


def test_one_nan_among_good_numbers_is_found():
    array = np.zeros((4, 4), np.float32)
    array[3, 3] = np.nan
    with pytest.raises(ContractError, match="nan"):
        check_array("probs", array, (4, 4), np.float32, value_range=(0, 1))


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (4, 4, 1), (0, 4, 3), (4, 0, 3), (1, 4, 4, 3)])
def test_an_image_has_pixels_of_three_channels(shape: tuple[int, ...]):
    check_image("image", np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ContractError, match=r"^image: expected"):
        check_image("image", np.zeros(shape, np.uint8))
