"""Concurrent callers, forked children, Spark's workers, Ctrl-C, and little memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import arrays
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.progress import subscribe

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 50, (40, 30, 20)).astype(np.uint8)
TABLE = np.arange(50, dtype=np.float32)


def everything(folder):
    """Call every function; the results, to compare."""
    path = folder / f"{os.getpid()}-{threading.get_ident()}.npy"
    options = {"processes": 2}
    return [
        arrays.apply_lut(VALUES, TABLE, **options),
        arrays.correlate1d(VALUES, [1.0, 2.0], **options),
        arrays.apply_lut_to_index(VALUES > 25, np.ones((2, 2, 2), int), np.arange(9), **options),
        arrays.where(VALUES > 25, cutoff=0, **options),
        arrays.neighbours(np.flatnonzero(VALUES > 25), 20, **options),
        arrays.block_sums(VALUES, 20, **options),
        np.asarray(arrays.write(path, VALUES, **options)),
        arrays.read(path, **options),
    ]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_threads_that_call_everything_at_once(form, tmp_path):
    expected, right = everything(tmp_path), []

    def call():
        right.append(all(same(everything(tmp_path), expected) for _ in range(3)))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert right == [True] * 4


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_after_its_parent(form, tmp_path):
    expected = everything(tmp_path)
    if (child := os.fork()) == 0:
        os._exit(0 if same(everything(tmp_path), expected) else 1)
    deadline = time.monotonic() + 60
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def on_worker(values):
    return arrays.correlate1d(values, [1, 2, 1], axis=0, processes=2)


def test_collections_on_every_engine(engine):
    movie = tl.images.fromarray(VALUES, engine=engine)
    looked = arrays.apply_lut(movie, TABLE)
    assert looked.engine is movie.engine
    np.testing.assert_array_equal(looked.toarray(), TABLE[VALUES])
    np.testing.assert_array_equal(movie.map(on_worker)[3].toarray(), on_worker(VALUES[3]))
    for axis in (0, 1, -1):
        found = arrays.correlate1d(movie, [1, 2, 1], axis=axis)
        expected = arrays.correlate1d(VALUES, [1, 2, 1], axis=axis)
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)
    series = movie.toseries()
    found = arrays.correlate1d(series, [1.0, 2.0, 1.0], axis=-1).toarray()
    np.testing.assert_array_equal(found, series.convolve([1.0, 2.0, 1.0], mode="same").toarray())


def test_where_on_every_engine(engine):
    sparse = VALUES * (VALUES > 45)
    movie = tl.images.fromarray(sparse, engine=engine)
    for thing in (movie, movie.toblocks((7, 9)), movie.toblocks((7, 9), padding=2)):
        np.testing.assert_array_equal(arrays.where(thing), np.argwhere(sparse), strict=True)
    series = movie.toseries()
    expected = np.argwhere(sparse.transpose(1, 2, 0))
    np.testing.assert_array_equal(arrays.where(series), expected, strict=True)
    empty = tl.images.fromarray(sparse * 0, engine=engine)
    assert arrays.where(empty).shape == (0, 3)


def test_series_on_every_engine(engine):
    values = np.random.default_rng(0).integers(0, 3, (6, 5, 4)).astype(np.uint8)
    labels = np.arange(30).reshape(6, 5)
    series = tl.series.fromarray(values, index=[*"abcd"], labels=labels, engine=engine)
    for table in (np.array([0, 10, 300], np.uint16), np.array([0.0, 0.5, 1.0])):
        found = arrays.apply_lut(series, table)
        np.testing.assert_array_equal(found.toarray(), table[values], strict=True)
    with pytest.raises(SpecError, match="series have only one"):
        arrays.apply_lut(series, np.zeros((3, 3)))
    for axis in (0, 1, 2, -1, -3):
        found = arrays.correlate1d(series, [1, 2, 1], axis=axis)
        expected = arrays.correlate1d(values, [1, 2, 1], axis=axis)
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)
        assert (found.engine, found.index.tolist()) == (engine, [*"abcd"])
        np.testing.assert_array_equal(found.labels, labels)
    weights = np.array([[[1, 2, 4]]])
    np.testing.assert_array_equal(
        arrays.apply_lut_to_index(series, weights, np.arange(20)),
        arrays.apply_lut_to_index(values, weights, np.arange(20)),
    )
    np.testing.assert_array_equal(arrays.block_sums(series, 3), arrays.block_sums(values, 3))
    np.testing.assert_array_equal(arrays.read(series), values, strict=True)
    rows = tl.series.fromarray(values[0], engine=engine)  # one axis of keys
    found = arrays.correlate1d(rows, [1, 2, 1], axis=0).toarray()
    np.testing.assert_array_equal(found, arrays.correlate1d(values[0], [1, 2, 1], axis=0))


def test_blocks_on_every_engine(engine):
    blocks = tl.images.fromarray(VALUES, engine=engine).toblocks((5, 6), padding=1)
    np.testing.assert_array_equal(arrays.apply_lut(blocks, TABLE).toarray(), TABLE[VALUES])
    for axis in (0, -1):
        found = arrays.correlate1d(blocks, [1, 2, 1], axis=axis)
        expected = arrays.correlate1d(VALUES, [1, 2, 1], axis=axis)
        np.testing.assert_array_equal(found.toarray(), expected, strict=True)
        assert (found.blockshape, found.padding) == (blocks.blockshape, blocks.padding)
    with pytest.raises(BadIndexError, match="axis 3 is out of bounds"):
        arrays.correlate1d(blocks, [1, 2, 1], axis=3)


INTERRUPTED = """
import signal, sys, threading, time
import numpy as np
from thunderlike import arrays
from thunderlike.progress import subscribe
begun = 0.0
def interrupt(event):
    global begun
    if event.label == "correlate1d" and event.done == 1 and not begun:
        begun = time.perf_counter()
        signal.raise_signal(signal.SIGINT)
source = np.ones((500, 200, 100), np.float32)
try:
    with subscribe(interrupt):
        arrays.correlate1d(source, np.ones(9), sys.argv[1], processes=2)
except KeyboardInterrupt:
    print(time.perf_counter() - begun)
"""


def test_ctrl_c_returns_soon_and_leaves_no_file(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, [1, 2])
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, path],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "THUNDERLIKE_NUMBA": "0"},
    )
    assert float(ran.stdout) < 30  # how long it takes is measured elsewhere; here it must end
    assert np.load(path).tolist() == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_an_error_leaves_no_file_and_no_thread_at_work(tmp_path):
    source = np.zeros((400, 100, 100), np.uint8)
    source[200] = 9
    with pytest.raises(IndexError):
        arrays.apply_lut(source, [1.0], tmp_path / "x.npy", processes=2)
    assert list(tmp_path.iterdir()) == []


LITTLE = """
import resource, sys
import numpy as np
from thunderlike import arrays
folder, rows, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
source = np.lib.format.open_memmap(f"{folder}/x.npy", "w+", np.uint16, (rows, 1024, 1024))
source[::7, 5, 3] = 9
table = np.arange(65536, dtype=np.uint16)
looked = arrays.apply_lut(f"{folder}/x.npy", table, f"{folder}/y.npy")
assert looked[7, 5, 3] == 9
other = np.lib.format.open_memmap(f"{folder}/z.npy", "w+", np.uint32, source.shape)
assert arrays.correlate1d(f"{folder}/x.npy", [1, 2], other)[7, 5, 3] == 18
found = arrays.where(f"{folder}/z.npy", cutoff=0)
assert len(found) == 2 * len(range(0, rows, 7)) - 1 * ((rows - 1) % 7 == 0)
assert arrays.block_sums(f"{folder}/y.npy").sum() == 9 * len(range(0, rows, 7))
assert arrays.read(f"{folder}/y.npy", slicing=slice(5, 9)).shape == (4, 1024, 1024)
assert arrays.write(f"{folder}/y.npy", other)[7, 5, 3] == 18
print("done")
"""


@pytest.mark.slow
def test_a_mapped_array_larger_than_memory(tmp_path):
    """Small here: 256 MB, too few for a copy in addition to Python and numpy."""
    limit = 400 * 2**20
    ran = subprocess.run(
        [sys.executable, "-c", LITTLE, tmp_path, "128", str(limit)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "THUNDERLIKE_WORKERS": "2",
            "THUNDERLIKE_NUMBA": "0",
        },
    )
    assert ran.stdout == "done\n", ran.stderr


def test_progress_and_verbose_tell_the_same():
    calls, events = [], []
    with subscribe(events.append):
        arrays.apply_lut(VALUES, TABLE, blocks=5, verbose=lambda done, of: calls.append((done, of)))
    ours = [e for e in events if e.label == "apply_lut"]
    assert calls[-1] == (ours[-1].total, ours[-1].total)
    assert len(calls) == ours[-1].done
    assert ours[-1].finished


def test_the_numba_threads_are_not_used():
    source = Path(arrays.__file__).parent
    assert not any("prange" in path.read_text("utf-8") for path in source.glob("*.py"))
