"""Blocks of a remote file, fetched once for all readers."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.storage import _open
from thunderlike.storage.base import FileVersion


@pytest.fixture
def requests(monkeypatch):
    """The ranges that were asked for."""
    asked = []
    fetched = FileVersion._fetched

    def note(self, start, length):
        asked.append((start, length))
        return fetched(self, start, length)

    monkeypatch.setattr(FileVersion, "_fetched", note)
    return asked


def identity(path):
    return storage.stat(path).identity


def test_an_array_of_20_mb_takes_few_requests(requests):
    movie = np.random.default_rng(0).integers(0, 4000, (40, 512, 512)).astype("uint16")
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made.create_dataset("data", data=movie, chunks=(1, 256, 512), compression="gzip")
    storage.write("memory://blocks/movie.h5", file.getvalue())
    for read in (tl.images.fromhdf5, tl.series.fromhdf5):
        requests.clear()
        found = read("memory://blocks/movie.h5", axis=0)
        wanted = movie if read is tl.images.fromhdf5 else np.moveaxis(movie, 0, -1)
        np.testing.assert_array_equal(found.toarray(), wanted)
        assert len(requests) <= 10
        assert len(set(requests)) == len(requests)


def test_reads_at_any_place_are_those_of_the_file(monkeypatch):
    data = np.random.default_rng(0).bytes(5000)
    storage.write("memory://blocks/bytes", data)
    monkeypatch.setattr(_open, "_LARGE_BLOCK", 512)
    monkeypatch.setattr(_open, "_BLOCK", 256)
    for small in (10_000, 100):
        monkeypatch.setattr(_open, "_SMALL", small)
        monkeypatch.setattr(_open, "_kept", _open._Kept())
        name = identity("memory://blocks/bytes")
        with _open.open_shared("memory://blocks/bytes", identity=name) as file:
            for start, length in ((0, 8), (500, 30), (511, 1), (255, 700), (4990, 100), (6000, 5)):
                file.seek(start)
                assert file.read(length) == data[start : start + length]
            assert file.seek(0, io.SEEK_END) == 5000


def test_threads_ask_once_for_what_all_want(requests):
    storage.write("memory://blocks/shared", bytes(1000))
    name = identity("memory://blocks/shared")

    def read(start):
        with _open.open_shared("memory://blocks/shared", identity=name) as file:
            file.seek(start)
            return len(file.read(10))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(0, 900, 10))) == {10}
    assert len(requests) == 1


def test_another_version_has_blocks_of_its_own():
    for data in (b"old", b"new"):
        storage.write("memory://blocks/changes", data)
        name = identity("memory://blocks/changes")
        with _open.open_shared("memory://blocks/changes", identity=name) as file:
            assert file.read() == data
