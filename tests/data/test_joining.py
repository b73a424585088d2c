"""Joining images and series along any axis, on every engine, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import BadIndexError, NotOnEngineError, SpecError


def movie(count, shape, engine=None, dtype="int16", **names):
    values = np.random.default_rng(count).integers(0, 99, (count, *shape)).astype(dtype)
    return values, tl.images.fromarray(values, engine=engine, **names)


def test_more_images(engine):
    a, one = movie(5, (4, 6), engine, labels=list("abcde"))
    b, two = movie(3, (4, 6), engine, labels=list("xyz"))
    joined = tl.images.concatenate([one, two, one])
    assert (joined.mode, joined.labels.tolist()) == (engine.name, list("abcdexyzabcde"))
    np.testing.assert_array_equal(joined.toarray(), np.concatenate([a, b, a]), strict=True)
    keys = joined.map(lambda kv: kv[0], with_keys=True).toarray()
    assert keys.tolist() == list(range(13))


@pytest.mark.parametrize("axis", [1, -1])
def test_larger_images(engine, axis):
    a, one = movie(5, (4, 6), engine, labels=list("abcde"))
    b, two = movie(5, (4, 6), engine, dtype="float32", npartitions=2)
    joined = tl.images.concatenate([one, two, one], axis=axis)
    expected = np.concatenate([a, b, a], axis)
    np.testing.assert_array_equal(joined.toarray(), expected, strict=True)
    assert joined.labels.tolist() == list("abcde")


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_more_series(engine, axis):
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    labels = np.arange(6).reshape(2, 3)
    one = tl.series.fromarray(values, index=list("abcd"), labels=labels, engine=engine)
    joined = tl.series.concatenate([one, one * 10], axis=axis)
    np.testing.assert_array_equal(
        joined.toarray(), np.concatenate([values, values * 10], axis), strict=True
    )
    assert joined.labels.tolist() == np.concatenate([labels, labels], axis % 3).tolist()
    assert joined.index.tolist() == list("abcd")


def test_longer_series(engine):
    a, b = np.arange(24).reshape(2, 3, 4), np.ones((2, 3, 2))
    labels = np.arange(6).reshape(2, 3)
    one = tl.series.fromarray(a, labels=labels, engine=engine)
    two = tl.series.fromarray(b, engine=engine, npartitions=1)
    joined = tl.series.concatenate([one, two], axis=-1)
    np.testing.assert_array_equal(joined.toarray(), np.concatenate([a, b], -1), strict=True)
    assert (joined.index.tolist(), joined.labels.tolist()) == (list(range(6)), labels.tolist())


def test_the_index_of_longer_series_is_joined_unless_it_only_counts():
    one = tl.series.fromarray(np.zeros((2, 3)))
    named = tl.series.fromarray(np.zeros((2, 2)), index=["a", "b"])
    levels = tl.series.fromarray(np.zeros((2, 1)), index=[("a", 1)])
    assert tl.series.concatenate([one, one], axis=1).index.tolist() == [0, 1, 2, 3, 4, 5]
    assert tl.series.concatenate([named, named], axis=1).index.tolist() == ["a", "b", "a", "b"]
    assert tl.series.concatenate([levels, levels], axis=1).index.tolist() == [["a", 1]] * 2
    with pytest.raises(SpecError, match="levels"):
        tl.series.concatenate([named, levels], axis=1)


def test_labels_are_dropped_unless_all_have_some():
    _, one = movie(5, (4, 6), labels=list("abcde"))
    _, two = movie(3, (4, 6))
    assert tl.images.concatenate([one, two]).labels is None


def test_a_single_item_and_empty_ones():
    a, one = movie(5, (4, 6))
    _, none = movie(0, (4, 6))
    for joined in (tl.images.concatenate([one]), tl.images.concatenate(iter([none, one, none]))):
        np.testing.assert_array_equal(joined.toarray(), a, strict=True)
    assert tl.images.concatenate([none, none]).shape == (0, 4, 6)


def test_what_does_not_fit_is_named():
    _, one = movie(5, (4, 6))
    _, other = movie(5, (4, 7))
    with pytest.raises(SpecError, match=r"item 1 has shape \(5, 4, 7\), the first \(5, 4, 6\)"):
        tl.images.concatenate([one, other])
    with pytest.raises(SpecError, match="the index of item 1 differs from the first"):
        tl.series.concatenate(
            [one.toseries(), tl.series.fromarray(np.zeros((4, 6, 5)), index=list("abcde"))]
        )
    with pytest.raises(SpecError, match="Images, Series"):
        tl.images.concatenate([one, one.toseries()])
    with pytest.raises(SpecError, match="ndarray"):
        tl.images.concatenate([np.zeros((2, 3, 4))])
    with pytest.raises(SpecError, match="nothing"):
        tl.images.concatenate([])
    with pytest.raises(BadIndexError, match="axis 3 is out of bounds"):
        tl.images.concatenate([one, one], axis=3)


@pytest.mark.spark
def test_all_must_be_on_one_engine(spark_context):
    _, one = movie(5, (4, 6))
    with pytest.raises(NotOnEngineError, match=r"tolocal\(\)"):
        tl.images.concatenate([one, one.tospark(spark_context)])
