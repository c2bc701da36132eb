import time

import pytest

from models.evaluation.ahead import map_ahead


def test_answers_come_in_the_order_of_their_items():
    def double(item):
        time.sleep(0.002 * (item % 3 == 0))  # some take longer than those after them
        return 2 * item

    assert list(map_ahead(double, range(60))) == list(range(0, 120, 2))


def test_few_items_are_taken_ahead():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    answers = map_ahead(str, items())
    assert next(answers) == "0"
    assert len(taken) < 200
    answers.close()


def test_what_the_function_raises_comes_out():
    with pytest.raises(ZeroDivisionError):
        list(map_ahead(lambda item: 1 / item, [2, 1, 0, 1]))
