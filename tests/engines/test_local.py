"""The local engine and its lazy form, where they differ from others."""

from __future__ import annotations

import numpy as np

import thunderlike as tl
from thunderlike.engines import ArraySource, engine_for, engine_of, local
from thunderlike.engines.local import DeferredEngine, SourceRange
from thunderlike.testing import CountingEngine


def test_items_that_are_no_rdd_are_those_of_the_local_engine():
    for items in ([1, 2], iter([1, 2]), {"key": "a"}):
        assert engine_of(items) is local() is engine_for("local")


def test_planned_records_are_in_memory_once_they_are_read():
    records = DeferredEngine().load(ArraySource(np.arange(6).reshape(3, 2)))
    assert records.engine.lazy
    assert not records.in_memory
    assert records.collect(1, 2).tolist() == [[2, 3]]
    assert records.in_memory


def test_a_notebook_reads_no_planned_records():
    movie = tl.images.fromarray(np.zeros((3, 4, 5)), engine=DeferredEngine())
    assert "<img" not in movie._repr_html_()
    assert not movie._records.in_memory
    movie.toarray()
    assert "<img" in movie._repr_html_()


def test_part_of_a_source_has_its_threads_and_is_numbered_from_0():
    class Waiting(ArraySource):
        threads = 7

    part = SourceRange(Waiting(np.arange(5)), 2, 5)
    assert (part.threads, part.array, part.spec.count) == (7, None, 3)
    assert local().load(part).collect().tolist() == [2, 3, 4]


def test_series_of_any_engine_in_memory_are_factors():
    factors = tl.series.fromarray([[1.0], [2.0]], engine=CountingEngine())
    found = tl.series.fromarray([[1.0, 1.0], [0.0, 3.0]]).times(factors)
    assert found.toarray().tolist() == [3.0, 6.0]
