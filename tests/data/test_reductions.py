"""Statistics over records: the same bits on every engine, for any partitions."""

from __future__ import annotations

import itertools
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thunderlike as tl
from thunderlike.data.reductions import _Order

STATISTICS = {
    "mean": lambda movie: movie.mean(),
    "std": lambda movie: movie.std(),
    "sum": lambda movie: movie.sum(),
    "localcorr": lambda movie: movie.localcorr(3),
    "reduce": lambda movie: movie.reduce(np.add),
    "zscore": lambda movie: movie.toseries().zscore(axis=0),
    "cov": lambda movie: movie.toseries().cov(),
    "gramian": lambda movie: movie.toseries().gramian(),
}


@pytest.mark.parametrize(
    ("dtype", "npartitions"), [("float16", 3), ("float32", 7), ("float64", 2), ("uint16", 5)]
)
def test_statistics_over_records_have_the_same_bits_for_any_partitions(engine, dtype, npartitions):
    values = np.random.default_rng(4).normal(100, 30, (41, 5, 8)).astype(dtype)
    with tl.config(chunk_bytes=1200):  # some images, and some series, in a chunk
        here = tl.images.fromarray(values)
        there = tl.images.fromarray(values, npartitions=npartitions, engine=engine)
        for name, statistic in STATISTICS.items():
            found, expected = (np.asarray(statistic(movie)) for movie in (there, here))
            assert found.dtype == expected.dtype, name
            assert found.tobytes() == expected.tobytes(), name


def test_the_bits_of_statistics_do_not_depend_on_the_order_of_axes_in_memory(engine):
    values = np.random.default_rng(4).normal(100, 30, (41, 5, 8)).astype("float32")
    turned = np.asfortranarray(values)
    for name, statistic in STATISTICS.items():
        found = np.asarray(statistic(tl.images.fromarray(turned, engine=engine)))
        assert found.tobytes() == np.asarray(statistic(tl.images.fromarray(values))).tobytes(), name


@given(cuts=st.sets(st.integers(1, 99)), rows=st.integers(1, 40), count=st.integers(1, 100))
def test_the_order_of_merges_does_not_depend_on_cuts(cuts, rows, count):
    order = _Order(count, rows, lambda start, block: f"{start}{block.tolist()}", "({}{})".format)
    edges = [0, *sorted(cut for cut in cuts if cut < count), count]
    parts = [order.partial(a, np.arange(a, b)) for a, b in itertools.pairwise(edges)]
    found = reduce(order.merged, parts)
    middle = len(parts) // 2
    if middle:
        halves = reduce(order.merged, parts[:middle]), reduce(order.merged, parts[middle:])
        assert order.merged(*halves) == found
    assert found == order.partial(0, np.arange(count))
