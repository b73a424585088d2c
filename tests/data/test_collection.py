"""What images and series share, on every engine."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import (
    BadIndexError,
    EngineError,
    NotOnEngineError,
    SpecError,
    WorkerFailedError,
)


@pytest.fixture
def array():
    return np.random.default_rng(3).integers(-99, 99, (9, 4, 5)).astype(np.int16)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, labels=list("abcdefghi"), engine=engine)


@pytest.fixture
def series(array, engine):
    return tl.series.fromarray(array, index=[10, 11, 12, 13, 14], engine=engine)


def equal(found, expected):
    np.testing.assert_array_equal(found.toarray(squeeze=False), expected, strict=True)


def test_attributes(images, series, engine):
    assert (images.shape, images.baseshape, images.value_shape) == ((9, 4, 5), (9,), (4, 5))
    assert (series.shape, series.baseshape, series.value_shape) == ((9, 4, 5), (9, 4), (5,))
    assert (images.dtype, images.mode, images.ndim, len(images)) == ("int16", engine.name, 3, 9)
    assert (images.count(), series.count()) == (9, 36)
    assert type(series.count()) is int
    assert (images.baseaxes, series.baseaxes) == ((0,), (0, 1))


def test_repr_is_short_and_says_what_it_is(images, engine):
    assert repr(images).splitlines() == [
        "Images",
        f"mode: {engine.name}",
        "dtype: int16",
        "shape: (9, 4, 5)",
    ]


def test_first_is_one_record(images, series, array):
    np.testing.assert_array_equal(images.first(), array[0], strict=True)
    np.testing.assert_array_equal(series.first(), array[0, 0], strict=True)


def test_means_of_64_bit_integers_are_those_of_numpy_and_sums_wrap_as_there(engine):
    since_1970 = np.full((50, 2, 2), 1_700_000_000_000_000_000)
    since_1970 += np.arange(50)[:, np.newaxis, np.newaxis] * 10**15
    images = tl.images.fromarray(since_1970, npartitions=3, engine=engine)
    means = since_1970.mean(axis=0)
    np.testing.assert_allclose(images.mean(squeeze=True), means, rtol=1e-15)
    np.testing.assert_allclose(np.mean(images, axis=0), means, rtol=1e-15)
    np.testing.assert_allclose(np.mean(images), since_1970.mean(), rtol=1e-15)
    np.testing.assert_allclose(
        images.toseries().mean(squeeze=True), since_1970.mean(axis=(1, 2)), rtol=1e-15
    )
    equal(images.sum(), since_1970.sum(axis=0)[np.newaxis])


def test_toarray_squeezes_by_default(engine):
    one = tl.images.fromarray(np.arange(4.0).reshape(1, 1, 4), engine=engine)
    assert one.toarray().shape == (4,)
    assert one.toarray(squeeze=False).shape == (1, 1, 4)


def test_numpy_gives_the_shape_that_it_has(engine):
    one = tl.images.fromarray(np.arange(15.0).reshape(3, 1, 5), engine=engine)
    assert np.asarray(one).shape == one.shape == (3, 1, 5)
    assert (np.asarray(one) + np.ones(one.shape)).shape == (3, 1, 5)
    assert np.asarray(one.toseries()).shape == (1, 5, 3)
    assert np.asarray(one.toblocks((1, 2))).shape == (3, 1, 5)


def test_the_truth_of_several_elements_is_ambiguous(images, engine):
    with pytest.raises(ValueError, match="ambiguous"):
        bool(images == images)
    with pytest.raises(SpecError, match="ambiguous"):
        bool(images[[]])
    assert bool(tl.series.fromarray([[3]], engine=engine) == 3)
    assert not tl.series.fromarray([[3]], engine=engine) == 4  # noqa: SIM201  # asks for its truth


def test_numpy_takes_it_as_an_array(images, array):
    np.testing.assert_array_equal(np.asarray(images), array, strict=True)
    assert np.asarray(images, dtype="float32").dtype == np.float32


def test_iteration_is_finite_and_in_order(images, series, array):
    assert all(np.array_equal(a, b) for a, b in zip(images, array, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(series, array, strict=True))


@pytest.mark.parametrize(
    "item",
    [
        3,
        -1,
        np.int64(2),
        slice(2, 5),
        slice(None, None, -2),
        slice(5, 2),
        [2, 0, 7],
        [],
        np.arange(9) % 2 == 0,
        (slice(None), 1),
        (slice(1, 4), slice(None), slice(None, None, 2)),
        (slice(None), slice(None), [4, 0]),
        (..., 2),
        (0, 0, 0),
    ],
)
def test_index_as_numpy_but_no_axis_is_dropped(images, series, array, item):
    items = item if isinstance(item, tuple) else (item,)
    kept = tuple(slice(i, i + 1 or None) if isinstance(i, int | np.integer) else i for i in items)
    equal(images[item], array[kept])
    equal(series[item], array[kept])


def test_labels_and_index_follow_the_selection(images, series):
    assert images[[7, 1]].labels.tolist() == ["h", "b"]
    assert images[3].labels.tolist() == ["d"]
    assert series[..., 1:3].index.tolist() == [11, 12]
    assert series[0].index.tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("item", [9, -10, (0, 4), [0, 9], (0, 0, 0, 0), "a", 1.5, ([0], [1])])
def test_index_that_selects_nothing_there_is_an_index_error(images, item):
    with pytest.raises(IndexError) as caught:
        images[item]
    assert isinstance(caught.value, BadIndexError)


def test_map_keeps_labels_and_takes_keys(images, array):
    doubled = images.map(lambda x: x * 2.5)
    equal(doubled, array * 2.5)
    assert doubled.labels.tolist() == list("abcdefghi")
    numbers = np.arange(9, dtype=np.int16)[:, None, None]
    equal(images.map(lambda kv: kv[1] + kv[0][0], with_keys=True), array + numbers)


def test_map_of_series_gives_keys_of_every_axis(series, array):
    keys = series.map(lambda kv: kv[0], with_keys=True)
    expected = np.stack(np.meshgrid(range(9), range(4), indexing="ij"), axis=-1)
    equal(keys, expected)


def test_map_makes_a_scalar_a_record_of_length_one(images, array):
    equal(images.map(np.mean), array.mean(axis=(1, 2))[:, None])


def test_map_casts_to_the_given_dtype(images, array):
    equal(images.map(lambda x: x / 2, dtype="float32"), (array / 2).astype("float32"))


def test_map_over_stacks_is_map_over_records(images, series, array):
    expected = array - array.mean(axis=(1, 2), keepdims=True)
    found = images.map(lambda stack: stack - stack.mean(axis=(1, 2), keepdims=True), block=True)
    np.testing.assert_allclose(found.toarray(), expected)
    np.testing.assert_array_equal(found.labels, images.labels)
    largest = series.map(lambda stack: stack.max(axis=1), block=True, dtype="float32")
    equal(largest, array.max(axis=2, keepdims=True).astype("float32"))


def test_map_over_stacks_may_write_into_them(images, array):
    def double(stack):
        stack *= 2
        return stack

    np.testing.assert_array_equal(images.map(double, block=True).toarray(), array * 2)
    np.testing.assert_array_equal(images.toarray(), array)


def test_map_in_other_processes(images, array):
    outer = array.mean()

    def less(key_and_image):  # a closure, with keys: nothing is pickled to a fork
        (number,), image = key_and_image
        return (image - outer + number).astype("float32")

    found = images.map(less, with_keys=True, workers=3)
    assert found.dtype == np.float32
    expected = [less(((k,), image)) for k, image in enumerate(array)]
    np.testing.assert_array_equal(found.toarray(), expected)
    found = images.map(lambda stack: stack + 1, block=True, workers=2)
    np.testing.assert_array_equal(found.toarray(), array + 1)
    found = images.map_as_series(lambda pixel: pixel[::-1], workers=2)
    np.testing.assert_array_equal(found.toarray(), array[::-1])


def test_map_in_other_processes_says_what_went_wrong(images):
    def fails(key_and_image):
        if key_and_image[0] == (1,):
            raise LookupError("no such thing")
        return key_and_image[1]

    with pytest.raises(WorkerFailedError, match=r"LookupError: no such thing.*key \(1,\)"):
        images.map(fails, with_keys=True, workers=2).toarray()
    with pytest.raises(SpecError, match="workers must be"):
        images.map(np.mean, workers=0)
    with pytest.raises(SpecError, match="objects"):
        images.map(lambda image: {"mean": image.mean()}, workers=2)


def test_map_over_stacks_must_give_a_result_for_each_record(images):
    with pytest.raises(SpecError, match=r"returned shape \(\) for a stack of 1 records"):
        images.map(lambda stack: stack.mean(), block=True)
    with pytest.raises(SpecError, match="leave out one"):
        images.map(np.mean, block=True, with_keys=True)
    with pytest.raises(WorkerFailedError, match="key"):
        images.map(lambda stack: 1 / 0, block=True)


def test_map_results_may_be_any_object(images):
    found = images.map(lambda x: {"top": int(x.max())})
    assert (found.shape, found.dtype) == ((9, 1), np.dtype(object))
    assert found.toarray()[2] == {"top": int(images[2].toarray().max())}
    pairs = images.map(lambda x: [1.5, {"model": True}])
    assert pairs.shape == (9, 2)


def test_map_results_must_be_of_one_shape(images):
    def ragged(kv):
        return np.zeros(3 + (kv[0] == (5,)))

    _, message = _raised(SpecError, lambda: images.map(ragged, with_keys=True).toarray())
    assert "(4,) for the record of key (5,); expected (3,) as for earlier records" in message


def _raised(kind, call):
    with pytest.raises(kind) as caught:
        call()
    return caught.value, str(caught.value)


def test_a_user_function_that_raises_names_the_key(images):
    def picky(kv):
        if kv[0] == (4,):
            raise ZeroDivisionError("no such frame")
        return kv[1]

    error, message = _raised(WorkerFailedError, lambda: images.map(picky, with_keys=True).toarray())
    assert error.key == (4,)
    assert "ZeroDivisionError: no such frame" in message
    assert "picky" in error.traceback


def test_a_user_function_may_keep_change_or_return_its_record():
    values = np.arange(60.0).reshape(20, 3)
    series = tl.series.fromarray(values.copy())
    kept = []
    assert np.array_equal(series.map(lambda v: kept.append(v) or v[:2]).toarray(), values[:, :2])
    assert np.array_equal(kept[-20:], values)
    parts = []
    series.map(lambda v: parts.append(v[1:]) or v.sum())
    assert np.array_equal(parts[-20:], values[:, 1:])

    def reshapes(v):
        v.shape = (1, 3)
        v.flags.writeable = False
        return v[0]

    def overwrites(v):
        found = v.copy()
        v[:] = -1
        return found

    for function in (
        lambda v: v,
        lambda v: v[::-1][::-1],
        reshapes,
        overwrites,
        np.asarray,
        np.abs,
    ):
        assert np.array_equal(series.map(function).toarray(), values)
    assert np.array_equal(series.toarray(), values)
    assert series.map(np.sum).toarray().ravel().tolist() == values.sum(axis=1).tolist()
    assert series.map(np.float32).dtype == np.float32


def test_a_user_function_may_modify_its_record(images, array):
    def overwrite(x):
        x[:] = 0
        return x

    equal(images.map(overwrite), np.zeros_like(array))
    equal(images, array)


def test_map_runs_nothing_on_made_up_data(images):
    """The only records a function sees are real ones."""
    real = {record.tobytes() for record in images}

    def check(x):
        assert x.tobytes() in real
        return x

    images.map(check).toarray()


def test_filter_renumbers_and_takes_labels_along(images, array):
    kept = images.filter(lambda x: x[0, 0] > 0)
    mask = array[:, 0, 0] > 0
    equal(kept, array[mask])
    assert kept.labels.tolist() == np.array(list("abcdefghi"))[mask].tolist()


def test_filter_of_series_makes_the_keys_flat(series, array):
    kept = series.filter(lambda x: x.sum() > 0)
    equal(kept, array.reshape(36, 5)[array.reshape(36, 5).sum(axis=1) > 0])
    assert kept.index.tolist() == [10, 11, 12, 13, 14]


def test_filter_may_leave_nothing(images):
    none = images.filter(lambda x: False)
    assert (none.shape, none.dtype, len(none.labels)) == ((0, 4, 5), "int16", 0)
    assert list(none) == []
    assert none.toarray(squeeze=False).shape == (0, 4, 5)
    with pytest.raises(SpecError, match="no records"):
        none.mean()
    with pytest.raises(SpecError):
        none.first()


def test_reduce_by_function_and_by_ufunc(images, array):
    equal(images.reduce(np.maximum), array.max(axis=0)[None])
    equal(images.astype("int64").reduce(lambda a, b: a + b), array.sum(axis=0)[None])
    assert images.reduce(np.maximum).mode == "local"


def test_reduce_must_keep_the_shape(images):
    with pytest.raises(ValueError, match="valid dimensions"):
        images.reduce(lambda a, b: np.zeros(3))


@pytest.mark.parametrize("name", ["mean", "var", "std", "sum", "max", "min"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_statistics_are_those_of_numpy(array, engine, name, dtype):
    values = array.astype(dtype)
    found = getattr(tl.images.fromarray(values, engine=engine), name)()
    expected = getattr(values.astype("float64") if name in ("mean", "var", "std") else values, name)
    expected = expected(axis=0)[None]
    assert (found.dtype, found.shape, found.mode) == (expected.dtype, (1, 4, 5), "local")
    np.testing.assert_allclose(found.toarray(squeeze=False), expected, rtol=1e-6)


def test_sum_does_not_overflow_the_record_dtype(engine):
    """Thunder on Spark gave 96 for this."""
    images = tl.images.fromarray(np.full((300, 2, 2), 200, "uint8"), engine=engine)
    assert images.sum().toarray().tolist() == [[60000, 60000], [60000, 60000]]


def test_nan_propagates(engine):
    values = np.ones((5, 2, 2))
    values[3, 0, 0] = np.nan
    images = tl.images.fromarray(values, engine=engine)
    for name in ("mean", "std", "sum", "max", "min"):
        assert np.isnan(getattr(images, name)().toarray()[0, 0])


def test_statistics_of_series_keep_the_index(series, array):
    found = series.mean()
    assert (found.shape, found.index.tolist()) == ((1, 1, 5), [10, 11, 12, 13, 14])
    np.testing.assert_allclose(found.toarray(), array.reshape(36, 5).mean(axis=0))


def test_arithmetic_with_numbers_keeps_numpys_dtypes(images, array):
    equal(images + 1, array + 1)
    equal(2.5 * images, 2.5 * array)
    equal(images / 2, array / 2)
    equal(-images, -array)
    equal(images > 0, array > 0)
    equal(1000 - images, 1000 - array)
    assert (images + 1).labels.tolist() == list("abcdefghi")


def test_arithmetic_with_each_other_is_by_key(images, array, engine):
    other = tl.images.fromarray(array * 0.5, npartitions=2, engine=engine)
    equal(images + other, array + array * 0.5)
    equal(other - images, array * 0.5 - array)
    equal(images * images, array * array)


def test_arithmetic_with_arrays(images, array):
    equal(images - array, array - array)
    equal(images - array[0], array - array[0])
    equal(array[0] - images, array[0] - array)


def test_a_single_record_meets_every_record(images, array):
    equal(images - images.mean(), array - array.mean(axis=0))
    equal(images.mean() - images, array.mean(axis=0) - array)


def test_division_by_zero_does_not_warn(images):
    assert not np.isfinite((images / 0).toarray()).any()


def test_numpy_functions_stay_on_the_engine(images, array, engine):
    found = np.sqrt(np.abs(images))
    assert found.mode == engine.name
    np.testing.assert_allclose(found.toarray(), np.sqrt(np.abs(array)), rtol=1e-6)


def test_shapes_that_do_not_fit_say_so(images, engine):
    with pytest.raises(SpecError, match=r"\(9, 4, 5\).*\(3, 3\)"):
        images + np.zeros((3, 3))
    with pytest.raises(SpecError, match="Series"):
        images + tl.series.fromarray(np.zeros((9, 4, 5)), engine=engine)


def test_labels_must_fit(images):
    with pytest.raises(SpecError, match=r"\(2,\).*\(9,\)"):
        images.labels = ["a", "b"]


def test_astype_and_clip(images, array):
    equal(images.astype("float32"), array.astype("float32"))
    equal(images.clip(-5, 5), array.clip(-5, 5))
    with pytest.raises(SpecError):
        images.astype("uint8", casting="safe")


def test_moving_between_engines_keeps_everything(images, series, array, engine, request):
    there = images.tolocal()
    equal(there, array)
    assert there.labels.tolist() == list("abcdefghi")
    assert there.mode == "local"
    one = tl.series.fromarray(np.ones((3, 1)), engine=engine).tolocal()
    assert one.shape == (3, 1)


def test_tospark_needs_to_know_where(images):
    with pytest.raises(ValueError, match="engine"):
        images.tospark()


@pytest.mark.spark
def test_to_spark_and_back(array, spark_context):
    images = tl.images.fromarray(array, labels=list("abcdefghi"))
    there = images.tospark(spark_context)
    assert there.mode == "spark"
    assert there.tolocal().labels.tolist() == list("abcdefghi")
    equal(there.tolocal(), array)
    with pytest.raises(NotImplementedError, match=r"tolocal\(\)"):
        images + there


def test_an_rdd_only_where_there_is_one(images, array):
    if images.mode in ("local", "disk"):
        with pytest.raises(NotOnEngineError):
            images.tordd()
        return
    engine, native = images.engine, images.tordd()
    (pairs,) = engine.run_partitions(native, lambda n, attempt, items: list(items), here=True)
    assert [key for key, _ in pairs] == [(i,) for i in range(9)]
    if images.mode == "spark":
        equal(tl.images.fromrdd(images.tordd()), array)


def test_repartition_keeps_order_also_in_the_rdd(images, array):
    spread = images.repartition(2)
    equal(spread, array)
    np.testing.assert_array_equal(spread.first(), array[0])
    assert spread.labels.tolist() == list("abcdefghi")
    if spread.mode == "spark":
        assert spread.npartitions() == 2
        assert [key for key, _ in spread.tordd().collect()] == [(i,) for i in range(9)]


def test_cache_compute_uncache(images, array):
    assert images.cache() is images
    assert images.iscached()
    equal(images.compute(), array)
    images.uncache()


def test_engine_must_be_one():
    with pytest.raises(EngineError, match="engine=42"):
        tl.images.fromrandom(engine=42)


@pytest.fixture
def labelled(array, engine):
    labels = np.arange(36).reshape(9, 4)
    return tl.series.fromarray(array, index=range(5, 10), labels=labels, engine=engine)


def test_sample_of_images(images, array):
    found = images.sample(4, seed=1)
    rows = ["abcdefghi".index(label) for label in found.labels]
    assert (found.shape, found.mode, len(set(rows))) == ((4, 4, 5), "local", 4)
    np.testing.assert_array_equal(found.toarray(), array[rows], strict=True)


def test_sample_of_series(labelled, array):
    found = labelled.sample(nsamples=7, seed=3)
    assert (found.shape, found.index.tolist()) == ((7, 5), [5, 6, 7, 8, 9])
    np.testing.assert_array_equal(found.toarray(), array.reshape(36, 5)[found.labels])


def test_samples_of_one_seed_are_the_same_on_every_engine(images, array):
    here = tl.images.fromarray(array)
    for seed in range(3):
        np.testing.assert_array_equal(
            images.sample(5, seed=seed).toarray(), here.sample(5, seed=seed).toarray()
        )


def test_samples_come_in_random_order_and_from_everywhere():
    series = tl.series.fromarray(np.arange(50)[:, None])
    drawn = [series.sample(10, seed=seed).toarray().tolist() for seed in range(40)]
    assert all(numbers != sorted(numbers) for numbers in drawn)
    assert {number for numbers in drawn for number in numbers} == set(range(50))


def test_bug_sample_drew_records_twice_and_ignored_the_seed(images):
    everything = images.sample(50, seed=0)
    assert sorted(everything.labels) == list("abcdefghi")
    assert everything.labels.tolist() != images.sample(50, seed=1).labels.tolist()


@pytest.mark.parametrize("nsamples", [0, -3, 2.5])
def test_a_sample_has_at_least_one_record(array, nsamples):
    with pytest.raises(ValueError, match="whole number from 1"):
        tl.images.fromarray(array).sample(nsamples)


def test_a_sample_of_nothing_is_nothing():
    assert tl.images.fromarray(np.zeros((0, 2, 3))).sample(5).shape == (0, 2, 3)


def test_foreach_calls_on_each_record_with_its_key(images, labelled, array, tmp_path):
    def write(record):
        key, values = record
        (tmp_path / str(key)).write_text(str(int(values.sum())))

    assert images.foreach(write) is None
    found = {path.name: int(path.read_text()) for path in tmp_path.iterdir()}
    assert found == {str(i): image.sum() for i, image in enumerate(array)}
    labelled[3:5, 1].foreach(write)
    assert (tmp_path / "(1, 0)").read_text() == str(array[4, 1].sum())


def test_foreach_is_in_order_locally(array):
    seen = []
    tl.images.fromarray(array).foreach(lambda record: seen.append(record[0]))
    assert seen == list(range(9))


def test_foreach_with_a_function_that_raises_names_the_key(images):
    def picky(record):
        if record[0] == 4:
            raise ZeroDivisionError("never")

    with pytest.raises(WorkerFailedError, match="picky raised ZeroDivisionError") as caught:
        images.foreach(picky)
    assert caught.value.key == (4,)


@pytest.mark.parametrize("name", ["mean", "var", "std", "sum", "max", "min"])
def test_statistics_squeezed_are_those_of_numpy(images, array, name):
    found = getattr(images, name)(squeeze=True)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, getattr(array, name)(axis=0))
    kept = getattr(images, name)()
    assert (kept.shape, kept.mode, kept.dtype) == ((1, 4, 5), "local", found.dtype)


def test_a_statistic_squeezed_keeps_the_axes_of_a_record(engine):
    series = tl.series.fromarray(np.ones((3, 2, 1)), engine=engine)
    assert series.sum(squeeze=True).tolist() == [6]


def test_coalesce_keeps_values_and_order(images, array):
    fewer = images.coalesce(1)
    assert fewer.npartitions() == 1
    assert fewer.labels.tolist() == list("abcdefghi")
    np.testing.assert_array_equal(fewer.toarray(), array, strict=True)
    with pytest.raises(SpecError, match="at least 1"):
        images.coalesce(0)


@pytest.mark.spark
def test_coalesce_makes_no_more_parts(array, spark_context):
    images = tl.images.fromarray(array, npartitions=2, engine=spark_context)
    with pytest.raises(ValueError, match=r"repartition\(3\)"):
        images.coalesce(3)


def test_squeeze_drops_axes_of_length_1(images):
    planes = images[:, :, 2]
    assert planes.shape == (9, 4, 1)
    assert (planes.squeeze().shape, planes.squeeze().labels.tolist()) == ((9, 4), list("abcdefghi"))
    np.testing.assert_array_equal(planes.squeeze().toarray(), planes.toarray(), strict=True)
    assert images[:, 1, 2].squeeze().shape == (9, 1)
    assert images.squeeze().shape == (9, 4, 5)


def test_reshape_of_images(images, array):
    for shape in [(9, 2, 10), ((9, 2, 10),), (9, -1, 10), (-1, 2, 10)]:
        assert images.reshape(*shape).shape == (9, 2, 10)
    found = images.reshape(9, 2, 2, 5)
    np.testing.assert_array_equal(found.toarray(), array.reshape(9, 2, 2, 5), strict=True)
    assert found.labels.tolist() == list("abcdefghi")


@pytest.mark.parametrize("shape", [(18, 2, 5), (9, 20), (9, 2, 2, 5, 1), (9, 4, 4), (9, -1, -1)])
def test_reshape_keeps_the_images(array, shape):
    with pytest.raises(ValueError, match="cannot reshape"):
        tl.images.fromarray(array).reshape(*shape)


def test_bug_labels_were_lost_when_moving_between_engines(images, array, engine):
    assert images.tolocal().labels.tolist() == list("abcdefghi")
    again = tl.images.fromarray(array, labels=list("abcdefghi")).tolocal()
    assert again.labels.tolist() == list("abcdefghi")
    with pytest.raises(ValueError, match="labels"):
        tl.series.fromarray(array, labels=[1, 2], engine=engine)


def test_bug_series_of_length_one_could_not_be_moved(engine):
    there = tl.series.fromarray(np.zeros((3, 1)), engine=engine)
    assert there.tolocal().shape == (3, 1)
    assert tl.images.fromarray(np.zeros((3, 1, 1)), engine=engine).tolocal().shape == (3, 1, 1)


def random_movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


def test_bug_iterating_over_images_never_ended(engine):
    images, array = random_movie(engine)
    assert len(images) == 5
    np.testing.assert_array_equal(list(images), array)
    with pytest.raises(IndexError, match="5"):
        images[5]


def test_bug_sums_overflowed_on_spark(engine):
    images = tl.images.fromarray(np.full((300, 2, 2), 200, "uint8"), engine=engine)
    np.testing.assert_array_equal(images.sum(), np.full((1, 2, 2), 60000, "uint64"), strict=True)


@pytest.mark.parametrize("make", [tl.images.fromarray, tl.series.fromarray])
def test_bug_labels_were_dropped_and_not_even_checked_on_construction(engine, make):
    array = np.arange(6.0).reshape(3, 2)
    array = array[:, :, None] if make is tl.images.fromarray else array
    assert make(array, labels=list("xyz"), engine=engine).labels.tolist() == ["x", "y", "z"]
    with pytest.raises(SpecError, match="2"):
        make(array, labels=list("xy"), engine=engine)


def test_bug_coalesce_changed_the_object_itself(engine):
    images, array = random_movie(engine)
    before, fewer = images.npartitions, images.coalesce(1)
    assert images.npartitions == before
    np.testing.assert_array_equal(fewer.toarray(), array)


def test_bug_fromlist_ignored_the_order_of_keys(engine):
    items = [np.full((2, 2), value) for value in (3, 1, 2)]
    images = tl.images.fromlist(iter(items), keys=[2, 0, 1], engine=engine)
    assert images.toarray()[:, 0, 0].tolist() == [1, 2, 3]
