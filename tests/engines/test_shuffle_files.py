"""Shuffles of Spark through files: equal to Spark's own, recovered, and nothing left behind."""

from __future__ import annotations

import fcntl
import gc
import operator
import os
import platform
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines.base import Spec
from thunderlike.engines.partitioning import Layout
from thunderlike.engines.shuffle import Pick, Transpose
from thunderlike.engines.shuffle_files import PieceWriter, Run, Transfer, buffered
from thunderlike.errors import EngineError, ScratchLostError

MOVIE = np.random.default_rng(0).integers(-99, 99, (24, 6, 10)).astype("int16")
SERIES = np.moveaxis(MOVIE, 0, -1)


@pytest.fixture
def scratch(tmp_path):
    """A scratch folder in force."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    with tl.config(scratch=str(folder)):
        yield folder


@pytest.fixture
def movie(spark_context, scratch):
    return tl.images.fromarray(MOVIE, engine=spark_context, npartitions=3)


def files(folder):
    """The files of pieces in a scratch folder."""
    return sorted(file for file in folder.glob("*/*/*") if file.is_file())


# ---- Without Spark


def chunks(rows=5):
    return [(i, MOVIE[i : i + rows]) for i in range(0, len(MOVIE), rows)]


LAYOUT = Layout((((0, 7), (7, 20)), (), ((20, 60),)))


def transferred(exchange, folder, layout=LAYOUT, buffer_bytes=1300):
    """What a transfer cuts for each partition, and what it makes of that."""
    transfer = Transfer(exchange, layout, 700, buffer_bytes, str(folder))
    cut = list(transfer.cut(chunks()))
    pairs = [[pair for pair in cut if pair[0] == p] for p in range(len(layout.partitions))]
    return cut, [chunk for p, mine in enumerate(pairs) for chunk in transfer.place(p, mine[::-1])]


@pytest.mark.parametrize("buffer_bytes", [1, 1300, 10**6])
def test_pieces_in_files_make_the_same_blocks(tmp_path, buffer_bytes):
    exchange = Transpose(Spec(24, (6, 10), np.dtype("int16")), (24,))
    cut, found = transferred(exchange, tmp_path, buffer_bytes=buffer_bytes)
    assert all(isinstance(run, Run) for _, run in cut)
    assert [start for start, _ in found] == [0, 7, 20]
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), SERIES.reshape(60, 24))
    written = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert written == MOVIE.nbytes + 32  # each value once, after the name of the file
    cut, plain = transferred(exchange, "")
    assert not any(isinstance(one, Run) for _, one in cut)
    for (_, one), (_, other) in zip(found, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_part_of_the_pieces_may_come_through_spark(tmp_path):
    rows = np.random.default_rng(1).permutation(24)
    exchange = Pick(Spec(24, (6, 10), np.dtype("int16")), rows)
    layout = Layout((((0, 9), (9, 24)),))
    stored = Transfer(exchange, layout, 700, 700, str(tmp_path))
    sent = Transfer(exchange, layout, 700, 700, str(tmp_path / "not seen"))
    found = stored.place(0, [*stored.cut(chunks()[:2]), *sent.cut(chunks()[2:])])
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), MOVIE[rows])


def test_objects_and_dates_go_through_spark(tmp_path):
    for values in (np.array([None, 1, "x"]), np.array(["2026", "2027", "2028"], "M8[Y]")):
        exchange = Pick(Spec(3, (), values.dtype), np.array([2, 0, 1]))
        transfer = Transfer(exchange, Layout((((0, 3),),)), 8, 8, str(tmp_path))
        ((_, block),) = transfer.place(0, list(transfer.cut([(0, values)])))
        assert block.tolist() == values[[2, 0, 1]].tolist()


def test_a_buffer_holds_consecutive_chunks():
    ones = [
        (0, np.zeros((2, 3))),
        (2, np.ones((1, 3))),
        (9, np.ones((1, 3))),
        (10, np.ones((6, 3))),
    ]
    found = [(start, len(block), block.sum()) for start, block in buffered(ones, 4 * 24)]
    assert found == [(0, 3, 3), (9, 1, 3), (10, 6, 18)]


@pytest.mark.parametrize("damage", ["removed", "cut short", "another file"])
def test_files_that_are_not_as_written_are_lost(tmp_path, damage):
    exchange = Transpose(Spec(24, (6, 10), np.dtype("int16")), (24,))
    transfer = Transfer(exchange, LAYOUT, 700, 700, str(tmp_path))
    pairs = [pair for pair in transfer.cut(chunks()) if pair[0] == 2]
    (file,) = tmp_path.iterdir()
    if damage == "removed":
        file.unlink()
    elif damage == "cut short":
        os.truncate(file, file.stat().st_size - 1)
    else:
        file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(ScratchLostError, match=re.escape(str(file))) as raised:
        list(transfer.place(2, pairs))
    assert raised.value.folder == str(tmp_path)


def test_an_attempt_that_fails_leaves_no_file(tmp_path):
    exchange = Transpose(Spec(24, (6, 10), np.dtype("int16")), (24,))

    def broken():
        yield from chunks()[:3]
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(Transfer(exchange, LAYOUT, 700, 700, str(tmp_path)).cut(broken()))
    assert not list(tmp_path.iterdir())


def test_too_little_room_is_seen_before_the_first_byte(tmp_path):
    with (
        pytest.raises(EngineError, match=rf"{tmp_path}: has .* free, and .* set scratch to"),
        PieceWriter(str(tmp_path), 2**60) as writer,
    ):
        writer.append([(0, (0, MOVIE))])
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_named(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    try:
        (folder / "of another task").touch()
        found = rf"{folder}: .*No space left.*4\.\d* MB.*set scratch"
        with (
            pytest.raises(EngineError, match=found),
            PieceWriter(str(folder), 5_000_000) as writer,
        ):
            writer.append([(n, (n, np.zeros(2**18, "u1"))) for n in range(20)])
        assert [file.name for file in folder.iterdir()] == ["of another task"]
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


# ---- On Spark


@pytest.mark.spark
def test_both_ways_give_the_same_bits(movie, scratch, monkeypatch):
    def found():
        values = movie.map(np.sqrt, value_shape=(6, 10), dtype="float64") / 3
        return values.toseries().detrend().sum().toarray(), values[[5, 3, 9]].toarray()

    through_files = found()
    monkeypatch.setattr("thunderlike.engines.spark.shuffle_folder", lambda *_: None)
    for one, other in zip(through_files, found(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.spark
def test_files_go_with_the_records(movie, scratch):
    series = movie.toseries()
    again = series.toimages()
    assert not files(scratch)  # nothing was computed
    np.testing.assert_array_equal(again.toarray(), MOVIE)
    assert len({file.parent for file in files(scratch)}) == 2
    del series
    gc.collect()
    assert len({file.parent for file in files(scratch)}) == 2  # `again` needs them
    del again
    gc.collect()
    assert not list(scratch.glob("*/[0-9]*"))


@pytest.mark.spark
def test_files_of_an_rdd_stay(movie, scratch):
    pairs = movie.toseries().tordd().union(movie.toseries().tordd())
    gc.collect()
    assert pairs.map(operator.itemgetter(1)).filter(lambda x: x.sum() > 10**6).count() == 0
    gc.collect()
    assert files(scratch)


@pytest.mark.spark
def test_records_of_lost_files_are_computed_again(movie, scratch, caplog):
    series = movie.toseries()
    cached = (series * 2).cache()
    np.testing.assert_array_equal(series.toarray(), SERIES)
    files(scratch)[1].unlink()
    np.testing.assert_array_equal(cached.toarray(), SERIES * 2)
    assert len(caplog.records) == 1
    assert "its records are computed again" in caplog.text
    assert cached.iscached
    assert not files(scratch)
    np.testing.assert_array_equal(series.toarray(), SERIES)  # not lost a second time
    assert len(caplog.records) == 1
    cached.uncache()


@pytest.mark.spark
def test_a_stream_goes_on_after_a_loss(movie, scratch):
    series = movie.toseries()
    series.max().toarray()
    stream = series._records.stream()
    found = [next(stream)]
    for file in files(scratch):
        file.unlink()
    found += stream
    assert [start for start, _ in found] == sorted({start for start, _ in found})
    np.testing.assert_array_equal(np.concatenate([b for _, b in found]), SERIES.reshape(60, 24))


@pytest.mark.spark
def test_writers_and_two_jobs_at_once_recover(movie, scratch, tmp_path):
    series = movie.toseries()
    series.max().toarray()
    for file in files(scratch):
        os.truncate(file, 40)
    found = []
    thread = threading.Thread(target=lambda: found.append(series.toarray()))
    thread.start()
    series.tobinary(tmp_path / "out")
    thread.join()
    np.testing.assert_array_equal(found[0], SERIES)
    np.testing.assert_array_equal(tl.series.frombinary(tmp_path / "out").toarray(), SERIES)


@pytest.mark.spark
@pytest.mark.parametrize("trouble", ["missing", "read-only"])
def test_a_scratch_folder_that_cannot_be_used_is_named(movie, tmp_path, trouble, monkeypatch):
    folder = tmp_path / "missing"
    if trouble == "read-only":
        folder.mkdir()

        def refused(**_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("thunderlike.engines.shuffle_folder.tempfile.mkdtemp", refused)
    with (
        tl.config(scratch=str(folder)),
        pytest.raises(EngineError, match=rf"{folder}: cannot be used.* 2\.8\d* KB.*set scratch to"),
    ):
        movie.toseries()


@pytest.mark.spark
def test_folders_of_programs_that_were_killed_are_removed(movie, scratch):
    for name, host, age in (
        ("dead", platform.node(), 0),
        ("held", platform.node(), 0),
        ("elsewhere", "another machine", 0),
        ("long ago", "another machine", 8 * 86400),
    ):
        folder = scratch / f"thunderlike-shuffle-{name}"
        (folder / "0").mkdir(parents=True)
        (folder / "lock").write_text(host)
        os.utime(folder / "lock", times=(time.time() - age,) * 2)
    with (scratch / "thunderlike-shuffle-held/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        series = movie.toseries()
        made = Path(series._records.folders[0].path).parent
        left = {folder.name for folder in scratch.iterdir()} - {made.name}
    assert left == {"thunderlike-shuffle-held", "thunderlike-shuffle-elsewhere"}


SESSION = """
import os, sys
import thunderlike as tl

with tl.config(scratch=sys.argv[1]):
    series = tl.images.fromrandom((8, 4, 4), engine=tl.spark.context("local[1]")).toseries()
series.max().toarray()
assert os.listdir(series._records.folders[0].path)
"""


@pytest.mark.spark
@pytest.mark.slow
def test_nothing_is_left_when_a_session_ends(tmp_path):
    """See `tests/engines/test_programs.py` for those that stop Spark or are killed."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    command = [sys.executable, "-c", SESSION, folder]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert not list(folder.iterdir())
