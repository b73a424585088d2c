"""Regrouping on the disk engine: buckets from a source or a scratch file, whole after failures."""

from __future__ import annotations

import os
import subprocess
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import ArraySource, Spec, engine_for, regroup, scratch
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import EngineError

ARRAY = (np.arange(50 * 24 * 30) * 7919 % 1009).astype("int16").reshape(50, 24, 30)
SERIES = ARRAY.transpose(1, 2, 0)


@pytest.fixture
def files(monkeypatch):
    """Scratch files that are made."""
    made = []
    original = scratch.ScratchFile.__init__

    def noted(self, nbytes):
        made.append(self)
        original(self, nbytes)

    monkeypatch.setattr(scratch.ScratchFile, "__init__", noted)
    return made


def movie():
    return tl.images.fromarray(ARRAY).todisk() + 0  # a step, so that there is no array


# Pieces


def test_a_piece_is_read_as_it_was_appended():
    file = scratch.ScratchFile(1000)
    pieces = [(3, np.arange(4)), None, (np.arange(3), np.ones((2, 2)), "x"), (0, np.empty((0, 5)))]
    edges = file.append(pieces).tolist()
    found = list(file.read(edges[0], edges[-1]))
    assert len(edges) == 5
    assert edges[1] == edges[2]
    assert len(found) == 3
    for piece, expected in zip(found, [pieces[0], *pieces[2:]], strict=True):
        for one, other in zip(piece, expected, strict=True):
            np.testing.assert_array_equal(one, other, strict=isinstance(other, np.ndarray))
    assert list(file.read(edges[1], edges[2])) == []


def test_the_scratch_file_has_the_size_of_the_movie(files):
    large = tl.images.fromrandom((64, 128, 128), engine="disk")
    with tl.config(memory=2**21, piece_bytes=2**12, chunk_bytes=2**18):
        large.toseries().max()
    (file,) = files
    assert large.nbytes <= file._end < 1.1 * large.nbytes


def test_short_pieces_are_joined_in_a_second_round(files, monkeypatch):
    spans = []
    original = regroup._Pieces.joined

    def noted(self, *args):
        found = original(self, *args)
        spans.extend((self.spans, found.spans))
        return found

    monkeypatch.setattr(regroup._Pieces, "joined", noted)
    with tl.config(memory=64_000, chunk_bytes=2000, piece_bytes=2400, workers=2):
        assert (movie().toseries().toarray() == SERIES).all()
    before, after = (np.diff(span, axis=-1) for span in spans)
    assert len(files) == 2
    assert before.sum() == after.sum()
    assert before.max() < 1200 < np.median(after)
    # Nothing is lost and nothing overlaps: the new file is filled from its first byte to its last.
    ordered = spans[1].reshape(-1, 2)[np.argsort(spans[1][..., 0], axis=None)]
    assert ordered[0, 0] == 0
    assert (ordered[1:, 0] == ordered[:-1, 1]).all()


def test_the_pieces_of_a_selection_have_gaps(files):
    order = np.random.default_rng(0).permutation(50)[:7]
    with tl.config(memory=16_000, chunk_bytes=2000, piece_bytes=10_000):
        assert (movie()[order].toarray() == ARRAY[order]).all()
    assert len(files) == 2


# Sources that can be read in the order of the new records


@pytest.mark.parametrize("skipped", [0, 5])
@pytest.mark.parametrize("dtype", ["<i2", ">i2"])
def test_long_runs_of_a_flat_file_are_read_without_a_scratch_file(dtype, skipped, tmp_path, files):
    np.save(tmp_path / "movie.npy", ARRAY.astype(dtype))
    ARRAY.astype(dtype).tofile(tmp_path / "movie.bin")
    small = tl.config(memory=64_000, piece_bytes=64, chunk_bytes=2000)
    options = {"start": skipped, "engine": "disk"}
    with small:
        for images in (
            tl.images.fromnpy(tmp_path / "movie.npy", **options),
            tl.images.frombinary(
                tmp_path / "movie.bin", shape=(24, 30), dtype=dtype, nplanes=1, **options
            ),
        ):
            series = images.toseries()
            assert (series.toarray() == SERIES[..., skipped:]).all()
            np.testing.assert_array_equal(
                series.zscore().mean().toarray(),
                tl.series.fromarray(SERIES[..., skipped:]).zscore().mean().toarray(),
            )
    assert not files


@pytest.mark.parametrize("kind", ["hdf5", "zarr"])
def test_rows_of_chunks_are_read_without_a_scratch_file(kind, tmp_path, files, monkeypatch):
    place = tmp_path / f"movie.{kind}"
    monkeypatch.setattr("thunderlike.formats.base.CHUNK_BYTES", 1000)
    monkeypatch.setattr(f"thunderlike.formats.{kind}.chunk_shape", lambda *_: (10, 6, 15))
    getattr(tl.images.fromarray(ARRAY), f"to{kind}")(place)
    images = getattr(tl.images, f"from{kind}")(place, engine="disk")
    assert images._records.plan.source.transposed(30_000).cuts == (0, 180, 360, 540, 720)
    with tl.config(memory=160_000, chunk_bytes=1000, workers=2):
        monkeypatch.setattr(regroup, "reserve", lambda *_: None)
        assert (images.toseries().toarray() == SERIES).all()
        assert not files
        # Where a row of chunks does not fit, chunks would have to be read again and again.
        assert images._records.plan.source.transposed(17_000) is None
        smaller = tl.config(memory=80_000, piece_bytes=64)
        with smaller:
            assert (images.toseries().toarray() == SERIES).all()
        assert len(files) == 1


def test_a_step_before_needs_the_scratch_file(tmp_path, files):
    np.save(tmp_path / "movie.npy", ARRAY)
    with tl.config(memory=64_000, piece_bytes=64, chunk_bytes=2000):
        images = tl.images.fromnpy(tmp_path / "movie.npy", engine="disk")
        assert ((images + 1).toseries().toarray() == SERIES + 1).all()
    assert len(files) == 1


def test_a_file_replaced_before_its_buckets_are_read_is_an_error(tmp_path):
    np.save(tmp_path / "movie.npy", ARRAY)
    with tl.config(memory=64_000, piece_bytes=64, chunk_bytes=2000):
        series = tl.images.fromnpy(tmp_path / "movie.npy", engine="disk").toseries()
        np.save(tmp_path / "other.npy", ARRAY + 1)
        (tmp_path / "other.npy").replace(tmp_path / "movie.npy")
        with pytest.raises(tl.errors.StorageError, match=r"movie\.npy"):
            series.toarray()


# After a failure


@pytest.mark.parametrize(
    "method", ["append", "append_bytes", "read", "write"],
    ids=["cutting", "joining", "placing", "caching"],
)  # fmt: skip
def test_an_interrupt_leaves_what_is_cached_and_the_next_call_works(method, tmp_path, monkeypatch):
    small = tl.config(memory=16_000, chunk_bytes=2000, piece_bytes=1000, scratch=str(tmp_path))
    with small:
        kept = movie().cache()
        expected = kept.toarray()
        original, calls = getattr(scratch.ScratchFile, method), []

        def interrupted(*args):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return original(*args)

        series = (kept * 2).toseries()
        act = (kept * 3).cache().toarray if method == "write" else series.toarray
        with monkeypatch.context() as patch:
            patch.setattr(scratch.ScratchFile, method, interrupted)
            with pytest.raises(KeyboardInterrupt):
                act()
        assert (kept.toarray() == expected).all()
        assert (series.toarray() == 2 * SERIES).all()
        assert kept.iscached()
    assert not list(tmp_path.iterdir())


def test_a_scratch_folder_that_is_read_only_is_named(tmp_path):
    words = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        tmp_path.chmod(0o500)  # binds any user but root
        if os.access(tmp_path, os.W_OK):
            pytest.skip("a root that may not mount has no folder that is read-only")
    small = tl.config(memory=16_000, chunk_bytes=2000, scratch=str(tmp_path))
    try:
        with small, pytest.raises(EngineError, match=rf"{tmp_path}: cannot be used .*set scratch"):
            movie().toseries().toarray()
    finally:
        subprocess.run(["umount", "-l", tmp_path], capture_output=True, check=False)
        tmp_path.chmod(0o700)


def test_python_objects_beyond_the_memory_are_an_error_with_both_sizes():
    rows = np.empty(300, object)
    rows[:] = [np.arange(n % 5) for n in range(300)]
    kept = engine_for("disk").load(ArraySource(rows)).take(np.arange(0, 300, 2))
    kept.cache()
    with tl.config(memory=1000), pytest.raises(EngineError, match=r"1\.172 KB .* 1000 B"):
        kept.collect()
    assert [len(x) for x in kept.collect()][:4] == [0, 2, 4, 1]


# Reading ahead


def test_one_thread_more_than_cores_reads_while_the_others_compute():
    together = threading.Barrier(3)

    class Waiting(SourceDefaults):
        spec = Spec(9, (4,), np.dtype("int32"))

        def read(self, start, stop, out):
            together.wait(60)  # BrokenBarrierError unless three read at once
            out[...] = start

    with tl.config(workers=2, chunk_bytes=16):
        found = engine_for("disk").load(Waiting()).collect()
    assert found[:, 0].tolist() == list(range(9))
