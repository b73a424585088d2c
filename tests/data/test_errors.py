"""Failures of collections: typed, and of the same class on every engine."""

from __future__ import annotations

import os
import signal
import sys
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import EngineError, SpecError, WorkerFailedError, WrongTypeError


def equal(found, expected):
    np.testing.assert_array_equal(found.toarray(squeeze=False), expected, strict=True)


@pytest.fixture
def narrow(engine):
    """Images of no width."""
    return tl.images.fromarray(np.zeros((4, 3, 0)), engine=engine)


def test_images_of_no_width(narrow):
    blocks = narrow.toblocks(1)
    assert (blocks.count(), blocks.shape) == (0, (4, 3, 0))
    equal(blocks.map(lambda block: block + 1).toimages(), np.zeros((4, 3, 0)))
    equal(narrow.toblocks("1k").toseries(), np.zeros((3, 0, 4)))
    with pytest.raises(SpecError, match="no blocks"):
        blocks.first()
    assert narrow.localcorr(2).shape == (3, 0)
    equal(narrow + np.zeros((4, 3, 0)), np.zeros((4, 3, 0)))
    equal(narrow.max(), np.zeros((1, 3, 0)))
    assert [image.shape for image in narrow] == [(3, 0)] * 4
    with pytest.raises(SpecError, match="zero-size array"):
        np.max(narrow)
    with pytest.raises(SpecError, match="zero-size array"):
        np.max(narrow, axis=(1, 2))
    for name in ("gaussian_filter", "uniform_filter", "median_filter"):
        equal(getattr(narrow, name)(2), np.zeros((4, 3, 0)))


@pytest.mark.parametrize("name", ["totif", "topng", "tobinary", "tomsgpack"])
def test_no_images_are_not_written_to_files_of_images(engine, tmp_path, name):
    images = tl.images.fromarray(np.zeros((4, 3, 3), "u2"), engine=engine)[[]]
    with pytest.raises(SpecError, match=r"nothing to write to|no records to write"):
        getattr(images, name)(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_collections_of_no_records(engine):
    images = tl.images.fromarray(np.zeros((4, 3, 3)), engine=engine)[[]]
    assert np.sum(images, axis=(1, 2)).shape == (0,)
    for call in (images.mean, images.first, images.localcorr, lambda: np.max(images)):
        with pytest.raises(SpecError, match=r"no records|empty"):
            call()
    series = tl.series.fromarray(np.zeros((2, 0, 3)), engine=engine)
    assert [part.shape for part in series] == [(0, 3), (0, 3)]


def test_an_index_of_several_levels_becomes_labels_and_comes_back(engine):
    index = [("go", 1), ("go", 2), ("stop", 1), ("stop", 2)]
    series = tl.series.fromarray(np.arange(16).reshape(2, 2, 4), index=index, engine=engine)
    images = series.toimages()
    equal(images, np.arange(16).reshape(2, 2, 4).transpose(2, 0, 1))
    assert images.labels.tolist() == index
    assert images[1:3].labels.tolist() == index[1:3]
    again = images.toseries()
    assert again.index.tolist() == series.index.tolist() == [list(entry) for entry in index]
    equal(again.select_by_index("stop"), np.arange(16).reshape(2, 2, 4)[..., 2:])
    numbers = tl.series.fromarray(np.zeros((2, 2)), index=[(0, 5), (1, 6)], engine=engine)
    assert numbers.toimages().toseries().index.tolist() == [[0, 5], [1, 6]]


def test_nan_in_an_index_is_a_value(engine):
    series = tl.series.fromarray([[1, 2, 4]], index=[np.nan, 1.0, np.nan], engine=engine)
    assert series.select(np.nan).toarray().tolist() == [1, 4]
    assert series.select_by_index(np.nan).toarray().tolist() == [1, 4]
    assert series.sum_by_index().toarray().tolist() == [2, 5]
    pairs = [("a", np.nan), ("b", 1.0), ("a", np.nan)]
    levels = tl.series.fromarray([[1, 2, 4]], index=pairs, engine=engine)
    assert levels.sum_by_index([0, 1]).toarray().tolist() == [5, 2]


def test_durations_are_added_up_and_dates_are_not(engine):
    durations = np.arange(6).reshape(3, 2).astype("m8[s]")
    series = tl.series.fromarray(durations, engine=engine)
    equal(series.sum(), durations.sum(axis=0, keepdims=True))
    equal(series.mean(), durations.mean(axis=0, keepdims=True))
    dates = tl.series.fromarray(durations.astype("M8[s]"), engine=engine)
    equal(dates.max(), durations.astype("M8[s]").max(axis=0, keepdims=True))
    for call in (dates.sum, dates.mean):
        with pytest.raises(WrongTypeError, match="add"):
            call()
    with pytest.raises(WrongTypeError, match="maximum"):
        tl.series.fromarray(np.array([["a", "b"]]), engine=engine).max()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x: x + 300, SpecError),
        (lambda x: (x > 0) - (x > 0), WrongTypeError),
        (lambda x: x + "text", WrongTypeError),
        (lambda x: x.element_wise(1, lambda a, b: a.nothing), WorkerFailedError),
        (lambda x: x.clip("low"), SpecError),
        (lambda x: x[::0], SpecError),
        (lambda x: x["a":"b"], WrongTypeError),
        (lambda x: x["a"], IndexError),
        (lambda x: x.astype("junk"), WrongTypeError),
        (lambda x: x.astype(int, casting="loosely"), SpecError),
        (lambda x: x.toseries().between("a", "b"), WrongTypeError),
        (lambda x: x.toseries().select(lambda value: value.nothing), WorkerFailedError),
        (lambda x: x.toseries().correlate([1, "two", 3]), SpecError),
        (lambda x: x.toseries().correlate([[1, 2], [3]]), SpecError),
        (lambda x: tl.series.fromarray([[1, 2], [3, 4]], labels=[("a", 1), ("b",)]), SpecError),
        (lambda x: tl.series.fromarray({1: 2}), WrongTypeError),
        (lambda x: tl.images.fromarray(image for image in x), WrongTypeError),
        (lambda x: tl.images.fromarray("movie"), WrongTypeError),
        (
            lambda x: tl.images.fromlist([1, 2], accessor=lambda item: item.nothing),
            WorkerFailedError,
        ),
    ],
)
def test_a_failure_has_one_class_on_every_engine(engine, call, kind):
    images = tl.images.fromarray(np.zeros((3, 2, 2), "uint8"), engine=engine)
    with pytest.raises(kind) as raised:
        call(images)
    assert isinstance(raised.value, tl.ThunderlikeError)


def test_a_value_shape_without_axes_is_that_of_one_number(engine):
    series = tl.series.fromarray([[1, 2, 3]], engine=engine)
    assert series.map(np.sum, value_shape=(), dtype=int).shape == (1, 1)


@pytest.mark.spark
def test_what_cannot_be_sent_to_workers_is_an_error_of_ours(spark_context):
    images = tl.images.fromarray(np.zeros((3, 2, 2)), engine=spark_context)
    lock = threading.Lock()
    with pytest.raises(WrongTypeError, match=r"cannot be sent to Spark's workers.*lock"):
        images.map(lambda image: lock and image).toarray()
    with pytest.raises(WrongTypeError, match="only be used on the driver"):
        images.map(lambda image: spark_context and image).toarray()


@pytest.mark.spark
def test_a_worker_that_dies_is_named(spark_context):
    images = tl.images.fromarray(np.zeros((3, 2, 2)), engine=spark_context)

    def die(image):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerFailedError, match="a worker process of Spark died"):
        images.map(die, value_shape=(2, 2), dtype=float).toarray()


def test_a_context_that_was_stopped_is_named():
    pytest.importorskip("pyspark")
    from types import SimpleNamespace

    from thunderlike.engines.jobs import job
    from thunderlike.engines.spark import SparkEngine

    stopped = SimpleNamespace(_jsc=None, master="local[2]")
    with pytest.raises(EngineError, match="was stopped"):
        SparkEngine(stopped)
    with pytest.raises(EngineError, match="was stopped"), job(stopped, "computing"):
        pass


STOPPED = {
    "toseries": lambda images, series: images.toseries(),
    "toimages": lambda images, series: series.toimages(),
    "toblocks": lambda images, series: images.toblocks((1, 1)),
    "repartition": lambda images, series: images.repartition(2),
    "concatenate": lambda images, series: tl.images.concatenate([images, images]),
    "map_as_series": lambda images, series: images.map_as_series(lambda one: one),
    "fromarray": lambda images, series: tl.images.fromarray(
        np.zeros((3, 2, 2)), engine=images.engine
    ),
    "map": lambda images, series: images.map(np.sqrt).toarray(),
    "reduce": lambda images, series: images.reduce(np.add),
}


@pytest.mark.spark
@pytest.mark.parametrize("name", STOPPED)
def test_a_context_that_is_stopped_later_is_named(spark_context, monkeypatch, name):
    array = np.zeros((3, 2, 2))
    images = tl.images.fromarray(array, engine=spark_context)
    series = tl.series.fromarray(array, engine=spark_context)
    monkeypatch.setattr(spark_context, "_jsc", None)  # as `stop` does
    try:
        with pytest.raises(EngineError, match="was stopped"):
            STOPPED[name](images, series)
        assert repr(images).startswith("Images")
    finally:
        monkeypatch.undo()


@pytest.mark.parametrize("method", ["reshape", "toblocks"])
def test_masked_sizes(engine, method):
    images = tl.images.fromarray(np.zeros((4, 6, 6)), engine=engine)
    with pytest.raises(SpecError, match=f"{method}: Cannot convert masked element"):
        getattr(images, method)(np.ma.masked_array([3, 2], mask=[False, True]))


@pytest.mark.parametrize("how", ["map", "map_of_known_shape", "filter", "reduce"])
def test_function_that_calls_exit(engine, how):
    images = tl.images.fromarray(np.zeros((3, 2, 2)), engine=engine)

    def leave(*_):
        sys.exit(3)

    calls = {
        "map": lambda: images.map(leave),
        "map_of_known_shape": lambda: images.map(leave, value_shape=(2, 2), dtype=float),
        "filter": lambda: images.filter(leave),
        "reduce": lambda: images.reduce(leave),
    }
    with pytest.raises(WorkerFailedError, match="leave raised SystemExit: 3"):
        calls[how]().toarray()
