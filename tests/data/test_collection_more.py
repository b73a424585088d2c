"""Drawing, visiting, reducing and reshaping, on every engine."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError, WorkerFailed


@pytest.fixture
def array():
    return np.arange(9 * 4 * 5).reshape(9, 4, 5).astype(np.int16)


@pytest.fixture
def images(array, engine):
    return tl.images.fromarray(array, labels=list("abcdefghi"), engine=engine)


@pytest.fixture
def series(array, engine):
    labels = np.arange(36).reshape(9, 4)
    return tl.series.fromarray(array, index=range(5, 10), labels=labels, engine=engine)


# a sample


def test_sample_of_images(images, array):
    found = images.sample(4, seed=1)
    rows = ["abcdefghi".index(label) for label in found.labels]
    assert (found.shape, found.mode, len(set(rows))) == ((4, 4, 5), "local", 4)
    np.testing.assert_array_equal(found.toarray(), array[rows], strict=True)


def test_sample_of_series(series, array):
    found = series.sample(nsamples=7, seed=3)
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


# each record


def test_foreach_calls_on_each_record_with_its_key(images, series, array, tmp_path):
    def write(record):
        key, values = record
        (tmp_path / str(key)).write_text(str(int(values.sum())))

    assert images.foreach(write) is None
    found = {path.name: int(path.read_text()) for path in tmp_path.iterdir()}
    assert found == {str(i): image.sum() for i, image in enumerate(array)}
    series[3:5, 1].foreach(write)
    assert (tmp_path / "(1, 0)").read_text() == str(array[4, 1].sum())


def test_foreach_is_in_order_locally(array):
    seen = []
    tl.images.fromarray(array).foreach(lambda record: seen.append(record[0]))
    assert seen == list(range(9))


def test_foreach_with_a_function_that_raises_names_the_key(images):
    def picky(record):
        if record[0] == 4:
            raise ZeroDivisionError("never")

    with pytest.raises(WorkerFailed, match="picky raised ZeroDivisionError") as caught:
        images.foreach(picky)
    assert caught.value.key == (4,)


# statistics without the axis of keys


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


# fewer parts


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


# other shapes of an image


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


# labels and shapes that got lost


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
