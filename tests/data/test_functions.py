"""What functions of users may return: one shape, values that fit in one dtype, and no masks."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError, WorkerFailedError, WrongTypeError
from thunderlike.kernels._validation import same_values


@pytest.fixture
def series(engine):
    return tl.series.fromarray([[0, 1, 2], [4, 5, 8]], engine=engine)


def first_then(first, second):
    return lambda values: first if values[0] == 0 else second


LOSSY = {
    "a fraction after an integer": (0, 5.67),
    "nan after an integer": (0, np.nan),
    "int64 after uint8": (np.uint8(1), np.int64(300)),
    "an integer after a bool": (False, 7),
    "complex after a float": (1.0, 1 + 2j),
    "longer text": (np.array(["a"]), np.array(["aaaa"])),
    "None after an integer": (3, None),
    "text after a number": (3, np.array(["3"])),
    "digits that float32 does not have": (np.float32(1), 0.1),
    "negative after unsigned": (np.uint16(1), -1),
    "a date after a number": (1.0, np.datetime64("2020-01-01")),
}


@pytest.mark.parametrize("results", LOSSY.values(), ids=LOSSY.keys())
def test_a_result_that_does_not_fit_in_the_dtype_of_the_first_is_refused(series, results):
    with pytest.raises(WrongTypeError, match=r"key \(1,\).*dtype="):
        series.map(first_then(*results)).toarray()


KEPT = {
    "an integer after a float": (0.5, 5, [0.5, 5.0]),
    "a float without fraction after an integer": (0, 5.0, [0, 5]),
    "a bool after an integer": (7, True, [7, 1]),
    "a smaller integer": (np.int64(300), np.uint8(7), [300, 7]),
    "float32 after float64": (0.5, np.float32(0.25), [0.5, 0.25]),
    "nan in another float": (0.5, np.float32(np.nan), [0.5, np.nan]),
    "complex without imaginary part": (0.5, 2 + 0j, [0.5, 2.0]),
    "anything after an object": (None, 3, [None, 3]),
}


@pytest.mark.parametrize("results", KEPT.values(), ids=KEPT.keys())
def test_a_result_whose_values_fit_is_converted(series, results):
    first, second, expected = results
    found = series.map(first_then(first, second)).toarray()
    kept = np.array(expected, dtype=np.asarray(first).dtype)
    np.testing.assert_array_equal(found, kept, strict=True)


def test_a_dtype_that_is_given_is_a_cast_that_is_wanted(series):
    assert series.map(first_then(0, 5.67), dtype=int).toarray().tolist() == [0, 5]
    assert series.map(first_then(0, 5.67), dtype=float).toarray().tolist() == [0, 5.67]
    assert series.map(first_then(1.0, 1 + 2j), dtype=float).toarray().tolist() == [1, 1]
    everything = series.map(first_then(3, None), value_shape=1, dtype=object)
    assert everything.toarray().tolist() == [3, None]


def test_what_cannot_be_cast_to_the_dtype_names_the_key(series):
    with pytest.raises(WrongTypeError, match=r"NoneType for the record of key \(1,\)"):
        series.map(first_then(3, None), dtype=int).toarray()


def test_stacks_processes_and_blocks_keep_values_too(engine, series):
    def part(stack):
        return stack.astype(int) if (stack == 0).any() else stack + 0.5

    parts = tl.series.fromarray([[0, 1, 2], [4, 5, 8]], npartitions=2, engine=engine)
    small = tl.config(tile_bytes=24, chunk_bytes=24)
    with small, pytest.raises(WrongTypeError, match=r"key \(1,\)"):
        parts.map(part, block=True).toarray()
    with pytest.raises(WrongTypeError, match=r"key \(1,\)"):
        series.map(first_then(0, 5.67), workers=2).toarray()
    blocks = tl.images.fromarray(np.arange(4.0).reshape(1, 2, 2), engine=engine).toblocks((1, 2))
    with pytest.raises(WrongTypeError, match=r"key \(1, 0\)"):
        blocks.map(lambda block: block.astype(int) if block.min() == 0 else block / 4).toarray()
    assert blocks.map(part, dtype="int16").toarray().dtype == "int16"


def test_functions_of_pixels_and_of_groups_keep_values_too(engine):
    images = tl.images.fromarray(np.arange(12.0).reshape(3, 2, 2), engine=engine)
    with pytest.raises(WrongTypeError, match=r"key \(0, 1\)"):
        images.map_as_series(lambda v: v.mean() / 4 if v[0] == 1 else 0).toarray()
    halves = tl.series.fromarray([[1, 2, 4], [1, 2, 5.0]], index=["a", "a", "b"], engine=engine)
    with pytest.raises(WrongTypeError, match=r"key \(1,\)"):
        halves.aggregate_by_index(lambda v: 0 if v.sum() < 5 else v.mean() / 2).toarray()


def test_items_of_lists_keep_values_too(engine):
    items = [np.array([[1, 2]]), np.array([[1.5, 2]])]
    with pytest.raises(WrongTypeError, match="item 1 has dtype float64"):
        tl.images.fromlist(items, engine=engine).toarray()
    assert tl.images.fromlist(items, dtype=float, engine=engine).toarray().tolist() == [
        [1, 2],
        [1.5, 2],
    ]


@pytest.mark.spark
@pytest.mark.parametrize("ordered", [True, False])
def test_records_of_an_rdd_keep_values_too(spark_context, ordered):
    pairs = spark_context.parallelize([(0, np.array([1, 2])), (1, np.array([1.5, 2]))], 2)
    with pytest.raises(WrongTypeError, match=r"key \(1,\).*float64"):
        tl.series.fromrdd(pairs, ordered=ordered).toarray()
    found = tl.series.fromrdd(pairs, dtype="float32", ordered=ordered)
    assert found.toarray().tolist() == [[1, 2], [1.5, 2]]
    assert found.dtype == "float32"
    with pytest.raises(SpecError, match="dims"):
        tl.images.fromrdd(pairs, dims=(3,))


def test_a_function_of_two_elements_keeps_values_too(engine):
    series = tl.series.fromarray([[1, 2], [3, 4]], engine=engine)
    with pytest.raises(WrongTypeError, match="do not fit in int64"):
        series.element_wise(series, lambda a, b: a + b if a.size == 1 else a / b * 0.5).toarray()


def test_a_filter_says_yes_or_no(series):
    with pytest.raises(SpecError, match=r"shape \(3,\) for the record of key .*True or False"):
        series.filter(lambda values: values > 1)
    assert series.filter(lambda values: values[:1] > 1).toarray().tolist() == [4, 5, 8]


def test_what_a_function_of_two_records_raises_is_named(series):
    def refuse(one, other):
        raise KeyError("refused")

    with pytest.raises(WorkerFailedError, match="refuse raised KeyError"):
        series.reduce(refuse)


def test_masked_values_are_refused_and_masks_of_nothing_are_not(engine, series):
    masked = np.ma.masked_greater(np.array([[1.0, 999.0], [3.0, 5.0]]), 900)
    for refuse in (
        lambda: tl.images.fromarray(masked, engine=engine),
        lambda: tl.images.fromarray([masked, masked], engine=engine),
        lambda: tl.images.fromlist([masked], engine=engine),
        lambda: tl.series.fromarray(masked, engine=engine),
        lambda: tl.series.fromlist([masked[0]], engine=engine),
        lambda: tl.series.fromarray(masked.data, labels=masked[0], engine=engine),
        lambda: tl.series.fromarray(masked.data, index=masked[0], engine=engine),
        lambda: series.plus(np.ma.masked_less(np.arange(3), 1)),
        lambda: series.correlate(np.ma.masked_less(np.arange(3), 1)),
        lambda: series.times(np.ma.masked_less(np.arange(3), 1)),
        lambda: series.map(lambda values: np.ma.masked_greater(values, 4)).toarray(),
        lambda: series.map(lambda v: np.ma.masked if v[0] else v.mean()).toarray(),
        lambda: series.map(lambda v: np.ma.masked_greater(v, 4), block=True).toarray(),
        lambda: series.reduce(lambda one, other: np.ma.masked_greater(one + other, 4)),
    ):
        with pytest.raises(WrongTypeError, match="masked"):
            refuse()
    unmasked = np.ma.masked_greater(np.arange(6.0).reshape(2, 3), 900)
    assert tl.series.fromarray(unmasked, engine=engine).mean().toarray().tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("values", "dtype", "kept"),
    [
        ([2**53 + 1], "float64", True),  # as numpy has it: a safe cast
        (np.array([2**63], "u8"), "int64", False),  # its bits are those of -2**63
        ([-1], "uint64", False),
        ([2.0**63], "int64", False),
        ([2.0**64], "uint64", False),
        ([2.0**63], "uint64", True),
        ([2**63 - 1], "float32", False),
        (np.array([2**64 - 1], "u8"), "float32", False),
        ([2**63 - 1], "complex64", False),
        (np.array(["9999-01-01"], "M8[D]"), "M8[ns]", False),
        (np.array(["2020-01-01", "NaT"], "M8[D]"), "M8[ns]", True),
        ([2**24 + 1], "float32", False),
        ([2**24], "float32", True),
        ([1e300], "float32", False),
        ([np.inf, np.nan, -0.0], "float16", True),
        ([1e300, 2.0], "int64", False),
        ([255.0], "uint8", True),
        ([256], "uint8", False),
        (["ab"], "<U1", False),
        (["ab"], "<U4", True),
        (["a"], "S1", False),
        ([1], "<U21", False),
        (np.array(["2020-01-01T00:00:01"], "M8[s]"), "M8[D]", False),
        (np.array(["2020-01-01", "NaT"], "M8[s]"), "M8[D]", True),
        ([{}], "int64", False),
        ([1], "O", True),
        (np.zeros(1, [("a", "i4")]), [("b", "i8")], False),
    ],
)
def test_casts_that_keep_every_value(values, dtype, kept):
    assert (same_values(np.asarray(values), np.dtype(dtype)) is not None) == kept


def test_a_map_with_workers_in_a_map_with_workers(series):
    inner = tl.series.fromarray(np.arange(6.0).reshape(2, 3))

    def nested(values):
        return inner.map(lambda row: row.sum() + values[0], workers=2).toarray()

    assert series.map(nested, workers=2).toarray().tolist() == [[3, 12], [7, 16]]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ((5, "7"), r"key \(0,\): the result of group 0, 5, does not fit in <U21"),
        ((np.timedelta64(1, "s"), 5), "group 1, 5, does not fit in timedelta64"),
        ((1.0, np.ma.masked), r"key \(0,\): the results are a masked array"),
        ((np.array(2**60, "u8"), -1.5j), None),
        ((True, 2), None),
    ],
)
def test_results_of_groups_of_several_types_are_kept_or_refused_with_the_key(results, message):
    series = tl.series.fromarray([[0, 1], [0, 1]], index=["a", "b"])
    if message is None:
        found = series.aggregate_by_index(lambda run: results[run[0]]).toarray()
        np.testing.assert_array_equal(found, np.array([results, results]))
        return
    with pytest.raises(WrongTypeError, match=message):
        series.aggregate_by_index(lambda run: results[run[0]]).toarray()


def test_a_later_result_above_the_range_of_the_first_is_refused(engine):
    images = tl.images.fromarray(np.arange(4.0).reshape(4, 1, 1), engine=engine)
    with pytest.raises(WrongTypeError, match=r"uint64 for the record of key \(3,\) and int64"):
        images.map(lambda x: 2**63 if x[0, 0] == 3 else 1).toarray()


def random_movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


@pytest.mark.spark
def test_bug_a_map_ran_a_second_time_on_data_made_up(spark_context):
    images, array = random_movie(spark_context)
    seen = spark_context.accumulator(0)

    def look(x):
        assert x.tolist() in array.tolist(), "made-up data"
        seen.add(1)
        return x

    images.map(look).toarray()
    assert seen.value == 1 + len(array)  # the first record once more, for shape and dtype
