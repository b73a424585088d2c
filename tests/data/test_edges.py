"""Collections at the edge of what there is: nothing, one of each, odd values and dtypes, many."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.data import writers
from thunderlike.errors import SpecError, WorkerFailedError


def checked(images, array):
    """What every movie must do, against plain numpy."""
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(images.toarray(squeeze=False), array, strict=True)
        np.testing.assert_array_equal(
            images.toseries().toarray(squeeze=False), np.moveaxis(array, 0, -1), strict=True
        )
        np.testing.assert_array_equal(images.toseries().toimages().toarray(squeeze=False), array)
        np.testing.assert_array_equal(images.toblocks(1).toimages().toarray(squeeze=False), array)
        np.testing.assert_array_equal(images.max(squeeze=True), array.max(axis=0), strict=True)
        np.testing.assert_allclose(images.sum(squeeze=True), array.sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(images.mean(squeeze=True), array.mean(axis=0))
        np.testing.assert_allclose(images.std(squeeze=True), array.std(axis=0), atol=1e-6)
        series = np.moveaxis(array, 0, -1).astype("float64")
        expected = (series - series.mean(axis=-1, keepdims=True)) / series.std(-1, keepdims=True)
        found = images.toseries().zscore().toarray(squeeze=False)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


SHAPES = {"one image": (1, 3, 4), "one pixel": (6, 1, 1), "one of each": (1, 1, 1)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_one_of_something(engine, shape):
    array = np.random.default_rng(0).normal(size=shape)
    checked(tl.images.fromarray(array, engine=engine), array)


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i2", ">f4", ">f8", "float16"])
def test_dtypes_that_are_easily_wrong(engine, dtype):
    array = np.random.default_rng(0).integers(0, 200, (9, 4, 3)).astype(dtype)
    images = tl.images.fromarray(array, engine=engine)
    np.testing.assert_array_equal(images.toseries().toarray(), np.moveaxis(array, 0, -1))
    np.testing.assert_array_equal(images.sum(squeeze=True), array.sum(axis=0), strict=True)
    np.testing.assert_allclose(images.std(squeeze=True), array.std(axis=0, dtype="float64"))


def test_nan_inf_and_constant_pixels(engine):
    array = np.random.default_rng(0).normal(size=(9, 4, 3))
    array[3, 0, 0], array[4, 1, 1], array[5, 1, 2], array[:, 2, 2] = np.nan, np.inf, -np.inf, 7
    checked(tl.images.fromarray(array, engine=engine), array)


def test_nothing_left(engine):
    images = tl.images.fromarray(np.ones((4, 2, 3)), engine=engine).filter(lambda x: x.sum() < 0)
    assert (images.shape, images.count(), len(images), list(images)) == ((0, 2, 3), 0, 0, [])
    assert images.toarray().shape == (0, 2, 3)
    assert images.toseries().shape == (2, 3, 0)
    assert images.map(lambda x: x + 1).toarray().shape == (0, 2, 3)
    assert images.toblocks(2).toimages().toarray().shape == (0, 2, 3)
    for ask in (images.sum, images.mean, images.max, images.first):
        with pytest.raises(SpecError, match="no records"):
            ask()


def test_arrays_of_images_without_pixels_are_combined(engine):
    images = tl.images.fromarray(np.ones((4, 2, 3), "int16"), engine=engine)[:, :0]
    found = images + np.ones((4, 0, 3))
    assert (found.toarray().shape, found.dtype) == ((4, 0, 3), np.float64)


def test_casts_of_what_does_not_fit_warn_on_no_engine(engine):
    images = tl.images.fromarray(np.array([[[1e300, np.nan, 2]]]), engine=engine)
    found = images.astype("float32").toarray(squeeze=False)
    np.testing.assert_array_equal(found, np.array([[[np.inf, np.nan, 2]]], "f4"), strict=True)


def test_images_have_two_axes_or_three(engine):
    with pytest.raises(SpecError, match="axes"):
        tl.images.fromarray(np.arange(4), engine=engine)


def test_results_of_two_shapes_are_both_named(engine):
    images = tl.images.fromarray(np.arange(12.0).reshape(3, 2, 2), engine=engine)
    with pytest.raises(SpecError, match=r"shape \(5, 2\) .* key \(2,\); expected \(2, 2\)"):
        images.map(lambda x: np.ones((2, 2) if x[0, 0] < 8 else (5, 2))).toarray()


def test_a_function_that_raises_carries_the_key_and_where(engine):
    def picky(x):
        if x[0, 0] == 8:
            raise RuntimeError("no eights")
        return x

    images = tl.images.fromarray(np.arange(12.0).reshape(3, 2, 2), engine=engine)
    with pytest.raises(WorkerFailedError, match="picky raised RuntimeError: no eights") as caught:
        images.map(picky).toarray()
    assert caught.value.key == (2,)
    assert "in picky" in caught.value.traceback


def test_names_of_100_001_images_sort_as_they_are_numbered(monkeypatch):
    """Of 11 images here, whose names count as if the first were number 99,990."""
    array, number = np.arange(11, dtype="uint32").reshape(-1, 1, 1), writers.Names.of
    monkeypatch.setattr(
        writers.Names, "of", lambda self, n, count: number(self, n + 99_990, count + 99_990)
    )
    tl.images.fromarray(array).tobinary("memory://edges/many")
    found = tl.images.frombinary("memory://edges/many")
    np.testing.assert_array_equal(found.toarray(squeeze=False), array)


@pytest.mark.parametrize("kind", ["images", "series"])
def test_a_single_record_less_its_mean(engine, kind):
    single = getattr(tl, kind).fromarray(np.full((1, 3, 4)[kind == "series" :], 2.0), engine=engine)
    if kind == "series":
        single = single[:1]
    found = single - single.mean()
    assert (found.mode, found.shape) == (single.mode, single.shape)
    assert (found.toarray() == 0).all()
    assert ((single.mean() - single).toarray() == 0).all()
