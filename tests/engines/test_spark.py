"""What only Spark can get wrong."""

from __future__ import annotations

import gc
import io
import operator
import os
import signal
import threading
import time

import numpy as np
import pytest
from pyspark import cloudpickle

import thunderlike as tl
from thunderlike.engines import ArraySource, engine_of
from thunderlike.engines.session import settings_of
from thunderlike.engines.shuffle_files import slabs
from thunderlike.engines.spark import SparkEngine, SparkRecords, _as_bytes
from thunderlike.errors import EngineError, SpecError, StorageError

pytestmark = pytest.mark.spark


@pytest.fixture
def spark(spark_context):
    return SparkEngine(spark_context)


@pytest.fixture
def count_jobs(spark_context, monkeypatch):
    """How often Spark was asked to compute."""
    calls = []
    run = spark_context.runJob

    def counted(*args, **kwargs):
        calls.append(args)
        return run(*args, **kwargs)

    monkeypatch.setattr(spark_context, "runJob", counted)
    return calls


def test_one_action_is_one_job(spark, count_jobs):
    movie = tl.images.fromrandom((10, 8, 8), engine=spark)
    movie.gaussian_filter(1).toseries().detrend().zscore().correlate(range(10)).toarray()
    assert len(count_jobs) == 1
    movie.astype("float32").std()
    assert len(count_jobs) == 2


@pytest.mark.parametrize("room", [1, 3 * 24 * 64, 10**9])
def test_large_partials_are_merged_by_workers_in_order(spark, monkeypatch, room):
    array = np.random.default_rng(0).normal(size=(23, 8, 8))
    movie = tl.images.fromarray(array, engine=spark, npartitions=11)
    few = movie[[0, 7, 22]]  # leaves partitions empty
    monkeypatch.setattr("thunderlike.engines.spark.MAX_MERGE_BYTES", room)
    brought = []
    collected = SparkRecords._collected

    def noted(*args):
        brought.append(collected(*args))
        return brought[-1]

    monkeypatch.setattr(SparkRecords, "_collected", noted)
    first, again = movie.std().toarray(), movie.std().toarray()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, array.std(axis=0))
    np.testing.assert_allclose(few.std().toarray(), array[[0, 7, 22]].std(axis=0))
    assert all(len(partials) <= max(2, room // (24 * 64)) for partials in brought)
    assert bool(brought) == (room < 10**9)


def test_the_order_of_merging_is_that_of_the_records(spark, monkeypatch):
    monkeypatch.setattr("thunderlike.engines.spark.MAX_MERGE_BYTES", 2)
    records = tl.images.fromarray(
        np.arange(20).reshape(20, 1), engine=spark, npartitions=9
    )._records
    found = records.aggregate(lambda _, block: block.ravel().tolist(), operator.add, 1)
    assert found == list(range(20))


def test_first_computes_only_the_first_chunk(spark, spark_context):
    seen = spark_context.accumulator(0)

    def look(x):
        seen.add(1)
        return x

    with tl.config(chunk_bytes=2 * 8 * 16):
        movie = tl.images.fromrandom((40, 4, 4), engine=spark, npartitions=2)
        movie.map(look, value_shape=(4, 4), dtype="float64").first()
    assert seen.value == 2


def test_a_range_runs_only_its_partitions(spark, count_jobs):
    movie = tl.images.fromrandom((40, 4, 4), engine=spark, npartitions=8)
    movie._records.collect(5, 7)
    (_, _, partitions) = count_jobs[0]
    assert partitions == [1]


def test_filter_calls_the_function_once_for_each_record(spark, spark_context):
    seen = spark_context.accumulator(0)

    def look(x):
        seen.add(1)
        return x.sum() > 0

    movie = tl.images.fromrandom((12, 4, 4), engine=spark)
    movie.filter(look).toarray()
    assert seen.value == 12


def test_an_error_of_python_itself_is_an_engine_error(spark):
    def broken(_start, block):
        return block.no_such_method()

    records = spark.load(ArraySource(np.zeros((3, 2))))
    with pytest.raises(EngineError, match="no_such_method"):
        records.aggregate(broken, lambda one, other: one)


def test_errors_come_through_streams_too(spark, tmp_path):
    tl.images.fromrandom((4, 3, 3)).tobinary(tmp_path / "out")
    movie = tl.images.frombinary(tmp_path / "out", engine=spark)
    file = tmp_path / "out/image-00002.bin"
    file.write_bytes(b"")
    with pytest.raises(StorageError, match=r"image-00002\.bin: was replaced"):
        list(movie)


def test_ctrl_c_cancels_our_job_alone_and_without_a_traceback(
    spark, spark_context, tmp_path, capfd
):
    begun, over, found = tmp_path / "begun", tmp_path / "over", []
    handler = signal.getsignal(signal.SIGINT)

    def wait(x):
        begun.touch()
        time.sleep(300)
        return x

    def held(x):
        while not over.exists():
            time.sleep(0.05)
        return x

    def theirs():
        spark_context.setJobGroup("theirs", "another notebook")
        found.append(spark_context.parallelize([7], 1).map(held).sum())

    def press():
        while not begun.exists():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    other = threading.Thread(target=theirs, daemon=True)
    other.start()
    threading.Thread(target=press, daemon=True).start()
    movie = tl.images.fromrandom((4, 2, 2), engine=spark)
    with pytest.raises(KeyboardInterrupt):
        movie.map(wait, value_shape=(2, 2), dtype="float64").toarray()
    assert signal.getsignal(signal.SIGINT) is handler
    assert "Traceback" not in capfd.readouterr().err
    over.touch()
    other.join(60)
    assert found == [7]
    assert tl.images.fromrandom((4, 2, 2), engine=spark).toarray().shape == (4, 2, 2)


def test_the_job_group_of_the_user_is_left_as_it_was(spark, spark_context):
    spark_context.setJobGroup("mine", "my work")
    try:
        tl.images.fromrandom((4, 3, 3), engine=spark).mean()
        assert spark_context.getLocalProperty("spark.jobGroup.id") == "mine"
    finally:
        spark_context.setLocalProperty("spark.jobGroup.id", None)
        spark_context.setLocalProperty("spark.job.description", None)


def test_a_result_larger_than_spark_allows_is_refused_before_the_job(spark, monkeypatch):
    movie = tl.images.fromrandom((10, 64, 64), engine=spark)
    monkeypatch.setattr(settings_of(spark.context), "get", lambda name, default=None: "100k")
    with pytest.raises(EngineError, match=r"spark\.driver\.maxResultSize of 102400"):
        movie.toarray()


def test_sizes_as_spark_writes_them():
    sizes = {"1g": 2**30, "512m": 2**29, "0": 0, "100": 100, "2kb": 2048, "1.5G": 3 * 2**29}
    assert {text: _as_bytes(text) for text in sizes} == sizes


def test_slabs_join_consecutive_chunks_only():
    blocks = [(0, np.zeros((2, 8))), (2, np.zeros((2, 8))), (7, np.zeros((1, 8)))]
    assert [(s, len(b)) for s, b in slabs(blocks, 10**6)] == [(0, 4), (7, 1)]
    assert [(s, len(b)) for s, b in slabs(blocks, 1)] == [(0, 2), (2, 2), (7, 1)]


def test_progress_of_the_stages_is_shown(spark, tmp_path):
    seen, halfway = [], tmp_path / "halfway"

    def wait_for_progress(keyed):
        # The later half of the tasks waits until the driver has reported the first.
        key, record = keyed
        for _ in range(600):
            if key[0] < 3 or halfway.exists():
                return record
            time.sleep(0.1)
        raise TimeoutError("no progress was reported")

    def observe(event):
        seen.append(event)
        if event.unit == "tasks" and event.done:
            halfway.touch()

    with tl.config(partition_bytes=1), tl.progress(io.StringIO()):
        from thunderlike.progress import subscribe

        with subscribe(observe):
            slow = tl.images.fromrandom((6, 2, 2), engine=spark, npartitions=6)
            slow.map(
                wait_for_progress, value_shape=(2, 2), dtype="float64", with_keys=True
            ).toarray()
    tasks = [event for event in seen if event.unit == "tasks"]
    assert tasks[-1].finished
    assert tasks[-1].done == 6
    assert any(0 < event.done < event.total == 6 for event in tasks)


def test_a_record_too_large_for_a_worker_is_refused_before_it_is_made(spark):
    with pytest.raises(SpecError, match="cut the images smaller"):
        tl.images.fromrandom((2, 40000, 40000), engine=spark)


def test_workers_run_the_same_python_and_numpy(spark_context):
    def versions(_):
        import sys

        return [(sys.version_info[:3], np.__version__, os.path.realpath(sys.executable))]

    import sys

    found = set(spark_context.parallelize(range(2), 2).mapPartitions(versions).collect())
    assert found == {(sys.version_info[:3], np.__version__, os.path.realpath(sys.executable))}


def test_series_conversion_of_a_movie_smaller_than_a_chunk_uses_every_slot(spark):
    """Thunder put it all in one partition."""
    series = tl.images.fromrandom((5, 8, 8), engine=spark).toseries()
    assert series.npartitions() == 2


def test_a_worker_of_which_less_is_taken_than_it_has_is_kept(spark):
    with tl.config(chunk_bytes=64):
        movie = tl.images.fromrandom((40, 2, 2), engine=spark)
    facts = movie.map(lambda _: (os.getpid(), gc.get_freeze_count()), value_shape=2, dtype="int64")
    seen = set()
    # Idle workers, those of earlier tests too, take turns. One that leaves input unread is killed.
    for _ in range(200):
        process, frozen = facts.first().tolist()
        if process in seen:
            break
        seen.add(process)
    else:
        pytest.fail("no worker ran a second task")
    assert frozen > 10_000  # of what PySpark would look through after each task


def test_items_of_an_rdd_are_those_of_its_engine(spark, spark_context):
    assert engine_of(spark_context.parallelize([1])) == spark
    assert (spark.lazy, spark.default_npartitions) == (True, 2 * spark_context.defaultParallelism)


def test_a_task_is_sent_without_the_data_of_the_driver(spark):
    """A closure takes along what it uses, and nothing else that stands where it was made."""
    movie = tl.images.fromarray(np.zeros((8, 100, 100)), engine=spark, npartitions=2)
    records = movie.map(np.mean, value_shape=(1,), dtype=float)[1:]._records
    spread = spark.spread(list(range(1000)), lambda part: [part])
    for rdd in (records.rdd, records.native((7,)), spread):
        assert len(cloudpickle.dumps(rdd.func)) < 2**14


def test_each_attempt_at_a_partition_has_a_name(spark, spark_context):
    items = spark_context.parallelize(range(5), 3)
    found = spark.run_partitions(items, lambda number, attempt, items: (number, attempt))
    assert [number for number, _ in found] == [0, 1, 2]
    assert len({attempt for _, attempt in found}) == 3
    assert all(attempt for _, attempt in found)
