"""What only images do, on every engine, against scipy and plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import SpecError


@pytest.fixture(params=["int16", "uint8", "float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def array(dtype):
    return (np.random.default_rng(5).random((8, 11, 9)) * 200).astype(dtype)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, labels=range(100, 108), engine=engine)


@pytest.fixture
def volumes(engine):
    return tl.images.fromrandom((6, 3, 5, 4), engine=engine)


def equal(found, expected):
    np.testing.assert_array_equal(found.toarray(squeeze=False), expected, strict=True)


def each(function, array, **arguments):
    return np.stack([function(image, **arguments) for image in array])


def test_a_fast_gaussian_is_nearly_scipys(engine):
    array = np.random.default_rng(0).normal(size=(4, 80, 70))
    found = tl.images.fromarray(array, engine=engine).gaussian_filter(2, fast=True)
    expected = [ndimage.gaussian_filter(image, 2) for image in array]
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "reference", "arguments"),
    [
        ("gaussian_filter", ndimage.gaussian_filter, {"sigma": 1.5}),
        ("gaussian_filter", ndimage.gaussian_filter, {"sigma": (1, 0), "order": 1}),
        ("uniform_filter", ndimage.uniform_filter, {"size": 3}),
        ("median_filter", ndimage.median_filter, {"size": 3}),
        ("median_filter", ndimage.median_filter, {"size": (2, 3)}),
    ],
)
def test_filters_are_those_of_scipy(images, array, name, reference, arguments):
    found = getattr(images, name)(**arguments)
    np.testing.assert_array_equal(found.toarray(), each(reference, array, **arguments), strict=True)
    assert found.labels.tolist() == list(range(100, 108))


def test_a_filter_plane_by_plane(volumes):
    found = volumes.median_filter((0, 2, 2)).toarray()
    expected = np.stack([each(ndimage.median_filter, v, size=2) for v in volumes.toarray()])
    np.testing.assert_array_equal(found, expected)


def test_subsample(images, array):
    np.testing.assert_array_equal(images.subsample((2, 4)).toarray(), array[:, ::2, ::4])
    with pytest.raises(ValueError, match="0"):
        images.subsample(0)
    with pytest.raises(ValueError, match="3"):
        images.subsample((2, 2, 2))


def test_projections(volumes):
    values = volumes.toarray()
    np.testing.assert_array_equal(volumes.max_projection().toarray(), values.max(axis=-1))
    np.testing.assert_array_equal(volumes.max_projection(0).toarray(), values.max(axis=1))
    expected = values.max(axis=2) + values.min(axis=2)
    np.testing.assert_array_equal(volumes.max_min_projection(1).toarray(), expected)
    with pytest.raises(SpecError):
        volumes.max_projection(3)


def test_max_min_projection_has_room_for_the_sum(engine):
    """Thunder gave -5536 for this."""
    bright = tl.images.fromarray(np.full((2, 3, 3), 30000, "int16"), engine=engine)
    assert bright.max_min_projection().toarray().tolist() == [[60000] * 3] * 2


@pytest.mark.parametrize("chunk_size", ["auto", 2, (3, 2), (11, 9), "1", "0.001", "2M"])
def test_series_and_back_for_every_chunk_size(images, array, chunk_size):
    series = images.toseries(chunk_size)
    assert series.shape == (11, 9, 8)
    np.testing.assert_array_equal(series.toarray(), np.moveaxis(array, 0, -1), strict=True)
    back = series.toimages(chunk_size)
    np.testing.assert_array_equal(back.toarray(), array, strict=True)
    assert back.labels.tolist() == list(range(100, 108))


@pytest.mark.parametrize("shape", [(6, 3, 5, 4), (1, 4, 6), (5, 1, 1), (7, 1, 3)])
def test_series_and_back_for_every_shape(engine, shape):
    images = tl.images.fromrandom(shape, engine=engine)
    series = images.toseries()
    assert series.shape == (*shape[1:], shape[0])
    assert series.index.tolist() == list(range(shape[0]))
    back = series.toimages()
    assert (back.shape, back.labels) == (shape, None)
    np.testing.assert_array_equal(
        back.toarray(squeeze=False), images.toarray(squeeze=False), strict=True
    )


def test_series_of_images_of_one_number(engine):
    """Thunder on Spark could not."""
    means = tl.images.fromrandom((6, 4, 5), engine=engine).map(np.mean)
    assert means.toseries().shape == (1, 6)


def test_labels_become_the_index(images):
    assert images.toseries().index.tolist() == list(range(100, 108))


def test_a_chunk_size_that_cuts_nothing(volumes):
    for chunk_size in (0, -1, (2,), (2, 2, 2, 2), "x", "-5", (0, 1, 1), None):
        with pytest.raises(SpecError, match="chunk_size"):
            volumes.toseries(chunk_size)


def test_map_as_series(images, array):
    found = images.map_as_series(lambda x: x - x.mean())
    expected = array - array.mean(axis=0, dtype="float64")
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-4)
    assert found.labels.tolist() == list(range(100, 108))
    short = images.map_as_series(lambda x: x[:3], value_size=3, dtype=array.dtype)
    np.testing.assert_array_equal(short.toarray(), array[:3], strict=True)
    assert short.labels is None
    assert images.map_as_series(np.max).shape == (1, 11, 9)


@pytest.mark.parametrize("size", [2, 3, (1, 5)])
def test_localcorr_against_one_pixel_at_a_time(images, array, size):
    """In float64: Thunder cut the blurred signal of integers to integers."""
    values = array.astype("float64")
    blurred = each(ndimage.uniform_filter, values, size=size)
    expected = [
        [np.corrcoef(values[:, i, j], blurred[:, i, j])[0, 1] for j in range(9)] for i in range(11)
    ]
    np.testing.assert_allclose(images.localcorr(size), expected, atol=1e-9)


def test_localcorr_of_a_constant_pixel_is_nan(engine):
    values = np.random.default_rng(0).random((20, 6, 6))
    values[:, 2, 3] = 7.1
    found = tl.images.fromarray(values, engine=engine).localcorr(3)
    assert np.isnan(found[2, 3])
    assert np.isfinite(found).sum() == 35


def test_one_axis_is_no_image(engine):
    with pytest.raises(ValueError, match="2 axes"):
        tl.images.fromarray([1, 2, 3], engine=engine)


def test_images_of_one_axis_have_every_method(engine):
    array = np.arange(20.0).reshape(5, 4) ** 2
    images = tl.images.fromlist(list(array), npartitions=3, engine=engine)
    equal(images, array)
    equal(images.tolocal(), array)
    equal(images.repartition(2), array)
    np.testing.assert_array_equal(images.first(), array[0])
    equal(images.gaussian_filter(1), np.stack([ndimage.gaussian_filter(row, 1) for row in array]))
    equal(images.median_filter(3), np.stack([ndimage.median_filter(row, 3) for row in array]))
    equal(images.max_projection(), array.max(axis=1, keepdims=True))
    equal(images.reshape(5, 2, 2), array.reshape(5, 2, 2))
    equal(images.toseries(), array.T)
    equal(images.toblocks((3,), padding=1).map(lambda block: block + 1).toimages(), array + 1)
    equal(images.map_as_series(np.cumsum), np.cumsum(array, axis=0))
    equal(images.mean(), array.mean(axis=0, keepdims=True))
    assert images.localcorr(2).shape == (4,)
    equal(images[1:3, [0, 2]], array[1:3][:, [0, 2]])


def test_images_of_one_axis_are_written_and_read(engine, tmp_path):
    array = np.arange(20.0).reshape(5, 4)
    images = tl.images.fromlist(list(array), engine=engine)
    images.tobinary(tmp_path / "bin")
    equal(tl.images.frombinary(tmp_path / "bin", engine=engine), array)
    samples = tl.datasets.ListReader([{"key": str(n), "data": row} for n, row in enumerate(array)])
    equal(tl.images.fromdataset(samples, engine=engine), array)


def test_single_numbers_are_images_of_one_pixel_and_series_of_length_1(engine):
    equal(tl.images.fromlist([1.5, 2, 3], engine=engine), np.array([[1.5], [2], [3]]))
    equal(tl.series.fromlist([1, 2], engine=engine), np.array([[1], [2]]))


def test_a_single_picture_is_one_image(engine):
    assert tl.images.fromarray(np.zeros((4, 5)), engine=engine).shape == (1, 4, 5)


def test_images_of_different_shape_are_named(engine):
    with pytest.raises(ValueError, match=r"image 1 .*\(2, 3\).*\(2, 2\)"):
        tl.images.fromarray([np.zeros((2, 2)), np.zeros((2, 3))], engine=engine)


def test_images_stay_where_they_are(images, engine):
    again = tl.images.fromarray(images)
    assert again.mode == engine.name


def test_fromlist_takes_any_iterable_and_honours_keys(engine):
    def make(i):
        return np.full((2, 2), i)

    one = tl.images.fromlist((i for i in range(4)), make, engine=engine)
    assert one.toarray()[:, 0, 0].tolist() == [0, 1, 2, 3]
    keyed = tl.images.fromlist([5, 6, 7], make, keys=[2, 0, 1], labels=list("abc"), engine=engine)
    assert keyed.toarray()[:, 0, 0].tolist() == [6, 7, 5]
    assert keyed.labels.tolist() == ["b", "c", "a"]


def test_fromlist_of_different_shapes(engine):
    with pytest.raises(SpecError, match=r"item 2"):
        tl.images.fromlist(range(3), lambda i: np.zeros((2, 2 + i // 2)), engine=engine).toarray()


def test_random_images_are_the_same_everywhere(engine):
    found = tl.images.fromrandom((9, 3, 4), seed=7, engine=engine).toarray()
    np.testing.assert_array_equal(found, tl.images.fromrandom((9, 3, 4), seed=7).toarray())
    assert not np.array_equal(found, tl.images.fromrandom((9, 3, 4), seed=8).toarray())


@pytest.mark.spark
def test_fromrdd_sorts_by_key(spark_context):
    pairs = [(i, np.full((2, 2), i)) for i in (30, 10, 20)]
    rdd = spark_context.parallelize(pairs, 2)
    assert tl.images.fromrdd(rdd).toarray()[:, 0, 0].tolist() == [10, 20, 30]
    known = rdd.map(lambda kv: (kv[0] // 10 - 1, kv[1]))
    images = tl.images.fromrdd(
        known, dims=(2, 2), nrecords=3, dtype="int64", labels=["x", "y", "z"]
    )
    assert images.toarray()[:, 0, 0].tolist() == [10, 20, 30]
    assert images.labels.tolist() == ["x", "y", "z"]


def test_sizes_that_no_array_has_are_refused_alike_on_every_engine(engine):
    images = tl.images.fromarray(np.zeros((5, 4, 3), "u1"), engine=engine)
    with pytest.raises(SpecError, match="dimension"):
        images.localcorr(2**63)
    for size in (-1, 1.5, 2**63, (2**40, 2**40)):
        with pytest.raises(SpecError, match="value_shape"):
            images.map(lambda image: image, value_shape=size)


def random_movie(engine, shape=(5, 7, 7), dtype="int16"):
    array = np.random.default_rng(1).integers(0, 100, shape).astype(dtype)
    return tl.images.fromarray(array, engine=engine), array


def test_bug_localcorr_cut_the_fractions_off_what_it_compared_with(engine):
    images, _ = random_movie(engine, (40, 6, 6))
    small = images.map(lambda x: x % 6)
    found, exact = small.localcorr(2), small.astype("float64").localcorr(2)
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_bug_images_of_one_pixel_had_no_series(engine):
    images, array = random_movie(engine, (4, 1, 1))
    series = images.toseries()
    assert series.shape == (1, 1, 4)
    np.testing.assert_array_equal(series.toarray(squeeze=False), array.T)
