"""Chains of methods drawn at random: every engine gives what plain numpy gives.

Values, dtype, shape, index, labels and order; where a method must fail, every engine fails alike.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from scipy import ndimage

import thunderlike as tl
from thunderlike.engines.partitioning import Layout

DTYPES = ("uint8", "int16", "float32", "float64", ">i2")


@dataclass(frozen=True)
class Plain:
    """The outcome in plain numpy: values, and what goes with them."""

    kind: str
    values: np.ndarray
    labels: np.ndarray | None
    index: np.ndarray | None = None


# A step draws its arguments, and gives the call on our side and its outcome in plain numpy.


def double(draw, plain):
    return lambda x: x * 2.0, replace(plain, values=plain.values * 2.0)


def minus_itself_reversed(draw, plain):
    flipped = plain.values[::-1]
    return lambda x: x - flipped, replace(plain, values=plain.values - flipped)


def astype(draw, plain):
    dtype = draw(st.sampled_from(["float32", "int32"]))
    return lambda x: x.astype(dtype), replace(plain, values=plain.values.astype(dtype))


def mapped(draw, plain):
    axes = 1 if plain.kind == "images" else plain.values.ndim - 1
    values = np.flip(plain.values, axis=axes) + plain.values.dtype.type(1)
    return lambda x: x.map(lambda v: np.flip(v, axis=0) + v.dtype.type(1)), replace(
        plain, values=values
    )


def repartition(draw, plain):
    parts = draw(st.integers(1, 5))
    return lambda x: x.repartition(parts), plain


def sliced(draw, plain):
    item = tuple(draw(st.slices(n)) for n in plain.values.shape)
    keys = item[:1] if plain.kind == "images" else item[:-1]
    return lambda x: x[item], replace(
        plain,
        values=plain.values[item],
        labels=None if plain.labels is None else plain.labels[keys],
        index=None if plain.index is None else plain.index[item[-1]],
    )


def picked(draw, plain):
    n = len(plain.values)
    rows = draw(st.lists(st.integers(-n, n - 1), max_size=6)) if n else []
    labels = None if plain.labels is None else plain.labels[rows]
    return lambda x: x[rows], replace(plain, values=plain.values[rows], labels=labels)


def filtered(draw, plain):
    axes = 1 if plain.kind == "images" else plain.values.ndim - 1
    records = plain.values.reshape(-1, *plain.values.shape[axes:])
    keep = np.array([bool(r.size) and r.flat[0] > 1 for r in records], dtype=bool)
    labels = None if plain.labels is None else plain.labels.ravel()[keep]
    return lambda x: x.filter(lambda v: v.size and v.flat[0] > 1), replace(
        plain, values=records[keep], labels=labels
    )


def blurred(draw, plain):
    values = np.array([ndimage.uniform_filter(v, 3) for v in plain.values], plain.values.dtype)
    return lambda x: x.uniform_filter(3), replace(plain, values=values.reshape(plain.values.shape))


def subsampled(draw, plain):
    k = draw(st.integers(1, 3))
    return lambda x: x.subsample(k), replace(plain, values=plain.values[:, ::k, ::k])


def toseries(draw, plain):
    index = np.arange(len(plain.values)) if plain.labels is None else plain.labels
    return lambda x: x.toseries(), Plain("series", np.moveaxis(plain.values, 0, -1), None, index)


def through_blocks(draw, plain):
    size, padding = draw(st.tuples(st.integers(1, 4), st.integers(0, 1)))
    return lambda x: x.toblocks(size, padding).toimages(), replace(plain, labels=None)


def joined(draw, plain):
    values = np.concatenate([plain.values, plain.values[:2]])
    labels = None if plain.labels is None else np.concatenate([plain.labels, plain.labels[:2]])
    return lambda x: tl.images.concatenate([x, x[:2]]), replace(plain, values=values, labels=labels)


def flattened(draw, plain):
    values = plain.values.reshape(-1, plain.values.shape[-1])
    labels = None if plain.labels is None else plain.labels.ravel()
    return lambda x: x.flatten(), replace(plain, values=values, labels=labels)


def grouped(draw, plain):
    days = np.array(draw(st.lists(st.integers(0, 2), min_size=9, max_size=9)))
    days = np.resize(days, plain.values.shape[-1])
    groups = np.unique(days)
    sums = [plain.values[..., days == day].sum(axis=-1, dtype=np.float64) for day in groups]
    dtype = plain.values[..., :1].sum(axis=-1).dtype

    def call(x):
        x = x[...]
        x.index = days
        return x.sum_by_index()

    return call, replace(plain, values=np.stack(sums, axis=-1).astype(dtype), index=groups)


def toimages(draw, plain):
    counts = np.array_equal(plain.index, np.arange(plain.values.shape[-1]))
    labels = None if counts else plain.index
    return lambda x: x.toimages(), Plain("images", np.moveaxis(plain.values, -1, 0), labels)


def between(draw, plain):
    return lambda x: x[..., 1:4], replace(
        plain, values=plain.values[..., 1:4], index=plain.index[1:4]
    )


def centered(draw, plain):
    values = plain.values.astype(np.float64)
    values = values - values.mean(axis=-1, keepdims=True)
    dtype = np.float32 if plain.values.dtype == np.float32 else np.float64
    return lambda x: x.center(), replace(plain, values=values.astype(dtype))


BOTH = [double, minus_itself_reversed, astype, mapped, repartition, sliced, picked, filtered]
IMAGES = [blurred, subsampled, toseries, through_blocks, joined]
SERIES = [toimages, between, centered, grouped, flattened]


def allowed(plain):
    """Steps that make sense now: not those over axes that are gone or empty."""
    if 0 in plain.values.shape:
        return [repartition, astype]
    if plain.kind == "series":
        return BOTH + (SERIES if plain.values.ndim == 3 else [centered, between, grouped])
    return BOTH + IMAGES


@st.composite
def chains(draw):
    """A movie, and up to four steps with their outcome."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 6), st.integers(1, 5)))
    seed = draw(st.integers(0, 2**16))
    dtype = draw(st.sampled_from(DTYPES))
    movie = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    labels = draw(st.none() | st.just(np.arange(shape[0]) + 50))
    plain, calls = Plain("images", movie, labels), []
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from(allowed(plain)))
        call, plain = step(draw, plain)
        calls.append(call)
        note(step.__name__)
    return movie, labels, calls, plain


def check(found: Any, plain: Plain) -> None:
    assert type(found).__name__.lower() == plain.kind
    assert found.shape == plain.values.shape
    assert found.dtype.isnative
    assert found.dtype == plain.values.dtype.newbyteorder("=")
    np.testing.assert_allclose(found.toarray(squeeze=False), plain.values, rtol=1e-6, atol=1e-4)
    expected = [None if x is None else x.tolist() for x in (plain.labels, plain.index)]
    index = found.index.tolist() if plain.kind == "series" else None
    assert [None if found.labels is None else found.labels.tolist(), index] == expected


@given(chains())
def test_local_is_numpy(chain):
    movie, labels, calls, plain = chain
    found = tl.images.fromarray(movie, labels=labels)
    for call in calls:
        found = call(found)
    check(found, plain)


@st.composite
def layouts(draw):
    """A planner that cuts anything into a few uneven partitions, some of them empty."""
    parts, rows = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    cuts = sorted(draw(st.lists(st.floats(0, 1), min_size=parts - 1, max_size=parts - 1)))

    def plan(spec, slots, npartitions, chunk_bytes):
        edges = [0, *(int(cut * spec.count) for cut in cuts), spec.count]
        return Layout(
            tuple(
                tuple((i, min(i + rows, b)) for i in range(a, b, rows))
                for a, b in itertools.pairwise(edges)
            )
        )

    return plan


@pytest.mark.spark
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chain=chains(), plan=layouts())
def test_spark_is_numpy(spark_context, chain, plan):
    from thunderlike.engines.spark import SparkEngine

    movie, labels, calls, plain = chain
    found = tl.images.fromarray(movie, labels=labels, engine=SparkEngine(spark_context, plan))
    for call in calls:
        found = call(found)
    check(found, plain)


@given(
    item=st.integers(-20, 20) | st.lists(st.integers(-20, 20), max_size=3), axis=st.integers(0, 3)
)
def test_an_index_fails_alike_everywhere(item, axis):
    values = np.zeros((5, 4, 3))
    full = (*[slice(None)] * axis, item)
    try:
        expected = values[full].size
    except IndexError:
        with pytest.raises(IndexError):
            tl.images.fromarray(values)[full]
    else:
        assert np.prod(tl.images.fromarray(values)[full].shape) == expected
