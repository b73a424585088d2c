"""Arithmetic by name, with numbers, arrays and collections, on every engine, against numpy."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import NotOnEngineError, SpecError, WorkerFailedError


@pytest.fixture
def array():
    return np.random.default_rng(3).integers(1, 99, (9, 4, 5)).astype(np.int16)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, labels=list("abcdefghi"), engine=engine)


def equal(found, expected):
    np.testing.assert_array_equal(found.toarray(squeeze=False), expected, strict=True)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("plus", np.add),
        ("minus", np.subtract),
        ("dottimes", np.multiply),
        ("dotdivide", np.true_divide),
    ],
)
def test_arithmetic_by_name(images, array, engine, name, function):
    other = tl.images.fromarray(array[::-1] * 0.5, npartitions=2, engine=engine)
    found = getattr(images, name)(other)
    equal(found, function(array, array[::-1] * 0.5))
    assert found.labels.tolist() == list("abcdefghi")


@pytest.mark.parametrize("other", [2, 2.5, np.int64(3), np.float32(0.5)])
@pytest.mark.parametrize("name", ["plus", "minus", "dottimes", "dotdivide"])
def test_a_number_widens_the_dtype_as_in_numpy(array, name, other):
    function = {"plus": np.add, "minus": np.subtract, "dottimes": np.multiply}
    expected = function.get(name, np.true_divide)(array, other)
    equal(getattr(tl.images.fromarray(array), name)(other), expected)


def test_bug_quotient_of_integers_was_declared_an_integer(images, array):
    found = images.element_wise(images, operator.truediv)
    assert found.dtype == "float64"
    equal(found, array / array)


def test_bug_arrays_were_refused_on_spark(images, array):
    """And they meet every record, when they have the shape of one."""
    equal(images.plus(array), array + array)
    equal(images.minus(array[0].tolist()), array - array[0].tolist())


@pytest.mark.parametrize("op", [np.maximum, np.hypot, lambda a, b: np.where(a > b, a, -b)])
def test_any_function_of_two_arrays(images, array, op):
    equal(images.element_wise(images[::-1], op), op(array, array[::-1]))


def test_a_function_that_raises_on_some_records_is_named(images):
    def picky(a, b):
        if a.size > 1:
            raise ValueError("too many")
        return a + b

    with pytest.raises(WorkerFailedError, match="picky raised ValueError: too many") as caught:
        images.element_wise(images, picky).toarray()
    assert "in picky" in caught.value.traceback


def test_a_single_record_meets_every_record(images, array):
    equal(images.minus(images.mean()), array - array.mean(axis=0))


def test_a_list_has_the_dtype_that_numpy_gives_it(array):
    images = tl.images.fromarray(array)
    row = [1, 2, 3, 4, 5]
    for found in (images + row, images.plus(row)):
        equal(found, array + row)


def test_shapes_must_be_equal(images, engine):
    with pytest.raises(ValueError, match=r"shapes \(9, 4, 5\).*\(8, 4, 5\).* must be equal"):
        images.plus(images[:8])
    with pytest.raises(SpecError, match="Series"):
        images.plus(tl.series.fromarray(np.zeros((9, 4, 5)), engine=engine))


@pytest.mark.spark
def test_engines_must_be_the_same(array, spark_context):
    here = tl.images.fromarray(array)
    with pytest.raises(NotImplementedError, match=r"tolocal\(\)") as caught:
        here.plus(here.tospark(spark_context))
    assert isinstance(caught.value, NotOnEngineError)


def test_subtract(images, array):
    equal(images.subtract(2.5), array - 2.5)
    equal(images.subtract(array[3]), array - array[3])
    equal(images.toseries().subtract(np.arange(9)), array.transpose(1, 2, 0) - np.arange(9))


@pytest.mark.parametrize("shape", [(5,), (1, 5), (9, 4, 5)])
def test_subtract_a_number_or_a_record(array, shape):
    with pytest.raises(ValueError, match=r"\(4, 5\)"):
        tl.images.fromarray(array).subtract(np.zeros(shape))
