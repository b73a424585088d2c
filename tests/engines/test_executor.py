"""The map of ``tl.parallel`` over Spark."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from thunderlike.parallel import Failure, pmap, seeded

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark_context")]


def third_fails():
    def function(i):
        if i == 3:
            raise KeyError("three")
        return i

    return function


def test_results_come_in_order_a_window_at_a_time():
    taken = []
    found = pmap(
        lambda i: -i, (taken.append(i) or i for i in itertools.count()), backend="spark", window=10
    )
    assert taken == []
    assert [next(found) for _ in range(25)] == [-i for i in range(25)]
    assert len(taken) == 30
    found.close()


def test_errors_are_those_of_the_other_backends():
    found = pmap(third_fails(), range(9), backend="spark")
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three") as caught:
        next(found)
    assert "in function" in str(caught.value.__cause__)
    assert caught.value.__notes__ == ["raised for item 3 of a map, counted from 0"]
    collected = list(pmap(third_fails(), range(5), backend="spark", on_error="collect"))
    assert isinstance(collected[3], Failure)
    assert list(pmap(third_fails(), range(5), backend="spark", on_error="skip")) == [0, 1, 2, 4]


def test_an_error_of_the_input_is_raised_after_what_came_before_it():
    def items():
        yield from (None, np.arange(3))
        raise OSError("the disk is gone")

    found = pmap(lambda x: x, items(), backend="spark")
    assert next(found) is None
    np.testing.assert_array_equal(next(found), np.arange(3))
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


def test_random_streams_are_those_of_the_other_backends():
    def draw(item):
        return item[1].random()

    assert list(pmap(draw, seeded(range(9), 5), backend="spark")) == [
        draw(pair) for pair in seeded(range(9), 5)
    ]
