"""Files that are replaced while they are read: the old ones, the new ones or an error, no mixture.

A concurrent writer is a call in between two of its requests: after the first, the second and
so on, until there are none left.
"""

from __future__ import annotations

import io
import shutil
import threading
from contextlib import suppress

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.data.array_files import Folder
from thunderlike.errors import StorageError
from thunderlike.storage.local import LocalStore, LocalVersion
from thunderlike.storage.memory import MemoryStore

SHAPES = {1: (5, 6, 7), 2: (4, 7, 8)}


def movie(value, dtype="u2"):
    return tl.images.fromarray(np.full(SHAPES[value], value, dtype))


def traces(value):
    return tl.series.fromarray(np.full((4, 5 + value), value, "f4"))


def two_files(write):
    """A writer of a folder of two files, each with half of the records."""

    def written(path, value):
        work = f"{path}.work"
        shutil.rmtree(work, ignore_errors=True)
        for number, part in enumerate((movie(value)[:2], movie(value)[2:])):
            write(part, f"{work}/{number}")
        shutil.rmtree(path, ignore_errors=True)
        shutil.move(work, path)

    return written


def suite2p(path, value):
    storage.write(f"{path}/data.bin", np.full((3, 4, 6), value, "i2").tobytes())
    np.save(f"{path}/ops.npy", {"Ly": 4, "Lx": 6} if value == 1 else {"Ly": 6, "Lx": 4})


FORMATS = {
    "tif": (lambda p, v: movie(v).totif(p, overwrite=True), tl.images.fromtif),
    "png": (lambda p, v: movie(v, "u1").topng(p, overwrite=True), tl.images.frompng),
    "raw": (lambda p, v: movie(v).tobinary(p, overwrite=True), tl.images.frombinary),
    "npy": (lambda p, v: movie(v).tonpy(f"{p}/a.npy", overwrite=True), tl.images.fromnpy),
    "npy in Fortran order": (
        lambda p, v: storage.write(f"{p}/a.npy", fortran(v)),
        lambda p, **k: tl.images.fromnpy(p, axis=0, **k),
    ),
    "npys": (two_files(lambda part, to: part.tonpy(f"{to}.npy")), tl.images.fromnpy),
    "hdf5": (lambda p, v: movie(v).tohdf5(f"{p}/a.h5", overwrite=True), tl.images.fromhdf5),
    "zarr": (lambda p, v: movie(v).tozarr(p, overwrite=True), tl.images.fromzarr),
    "ome": (lambda p, v: movie(v).tozarr(p, ome=True, overwrite=True), tl.images.fromzarr),
    "shards": (lambda p, v: movie(v).tomsgpack(p, overwrite=True), tl.images.frommsgpack),
    "series": (lambda p, v: traces(v).tobinary(p, overwrite=True), tl.series.frombinary),
    "text": (lambda p, v: traces(v).totext(p, overwrite=True), tl.series.fromtext),
    "path": (
        lambda p, v: movie(v).totif(p, overwrite=True),
        lambda p, **k: tl.images.frompath(p, ext="tif", **k),
    ),
}


def fortran(value):
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(np.full(SHAPES[value], value, "u2")))
    return stream.getvalue()


def generation(found):
    """The one generation that all values and the shape are of."""
    array = found.toarray(squeeze=False)
    (value,) = np.unique(array).astype(int).tolist()
    assert array.shape in (SHAPES[value], (4, 5 + value))
    return value


@pytest.fixture
def between(monkeypatch):
    """Call a function once, before a request of a number of those of disks and of memory."""
    left, finished = [0, None], threading.Event()

    def counted(verb):
        def asked(self, *args, **options):
            function = left[1]
            if function is not None:
                left[0] -= 1
                if left[0] == 0:
                    left[1] = None  # it asks for files itself
                    try:
                        function()
                    finally:
                        finished.set()
            return verb(self, *args, **options)

        return asked

    for owner, verb in (
        (LocalVersion, "__init__"), (LocalVersion, "readv"), (LocalStore, "list"),
        (LocalStore, "stat"), (MemoryStore, "stat"), (MemoryStore, "list"),
        (MemoryStore, "read_range"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, verb, counted(getattr(owner, verb)))

    def set_for(number, function):
        finished.clear()
        left[:] = [number, function]

        def called():
            """Whether it was; it may still go on in a thread that the reader gave up."""
            return left[1] is None and finished.wait(60)

        return called

    return set_for


class Generations:
    """Two contents of a folder, and the folder, which is the first until it becomes the second."""

    def __init__(self, root, write):
        self.path, self._root = f"{root}/a", root
        for value in (1, 2):
            write(f"{root}/made{value}", value)

    def begin(self):
        storage.delete(self.path)
        storage.delete(f"{self._root}/next")
        for made, place in (("made1", "a"), ("made2", "next")):
            origin = f"{self._root}/{made}"
            for file in storage.store_for(origin).list(origin, recursive=True):
                name = file.path[len(origin) :]
                storage.write(f"{self._root}/{place}{name}", storage.read(file.path))

    def swap(self):
        storage.delete(self.path)
        storage.store_for(self.path).move(f"{self._root}/next", self.path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_one_generation_is_read_or_none(tmp_path, between, name, place, pytestconfig):
    write, read = FORMATS[name]
    if place == "memory" and name == "npys":
        pytest.skip("its writer needs a disk")
    root = str(tmp_path) if place == "disk" else f"memory://{tmp_path.name}"
    both = Generations(root, write)
    answers = {1: 0, 2: 0, "error": 0}
    number = 1
    while True:
        between(0, None)
        both.begin()
        called = between(number, both.swap)
        try:
            answers[generation(read(both.path))] += 1
        except tl.ThunderlikeError:
            answers["error"] += 1
        if not called():
            break
        number += 1 + number // (4 if pytestconfig.option.slow else 2)
    assert number > 2
    assert answers[1]
    between(0, None)
    storage.delete(root)


def test_the_two_files_of_suite2p_are_of_one_run(tmp_path, between):
    for number in range(1, 20):
        between(0, None)
        suite2p(tmp_path, 1)
        called = between(number, lambda: suite2p(tmp_path, 2))
        with suppress(tl.ThunderlikeError):
            found = tl.images.fromsuite2p(tmp_path)
            assert found.shape == {1: (3, 4, 6), 2: (3, 6, 4)}[int(found.toarray().max())]
        if not called():
            break
    assert number > 3


@pytest.mark.parametrize("name", ["tif", "npy", "hdf5", "zarr", "shards", "series"])
def test_what_was_listed_is_what_is_read_later(tmp_path, engine, name):
    """On a lazy engine, which reads nothing before it is needed; others read at once, or map."""
    write, read = FORMATS[name]
    write(str(tmp_path / "a"), 1)
    found = read(str(tmp_path / "a"), engine=engine)
    write(str(tmp_path / "a"), 2)
    if not engine.lazy:
        assert generation(found) == 1
    else:
        with pytest.raises(StorageError, match=r"was replaced while it was read|no such file"):
            found.toarray()
    assert generation(read(str(tmp_path / "a"), engine=engine)) == 2


@pytest.mark.parametrize("place", ["disk", "memory"])
@pytest.mark.parametrize("victim", ["a/c/2/1/1", "a"])
@pytest.mark.parametrize("number", [1, 5])
def test_a_chunk_that_vanishes_is_not_a_chunk_of_zeros(
    tmp_path, monkeypatch, place, victim, number
):
    root = str(tmp_path) if place == "disk" else f"memory://{tmp_path.name}"
    chunked(f"{root}/a", 7)
    read, asked = Folder.read, []

    def late(self, name):
        if name.startswith("c/"):
            asked.append(name)
            if len(asked) == number:
                storage.delete(f"{root}/{victim}")
        return read(self, name)

    monkeypatch.setattr(Folder, "read", late)
    with pytest.raises(StorageError, match="was replaced while it was read"):
        tl.images.fromzarr(f"{root}/a")
    if place == "memory":  # another thread may still be removing the folder on the disk
        storage.delete(root)


def chunked(path, value):
    """A Zarr array of many chunks, all of sevens."""
    zarr = pytest.importorskip("zarr")
    store = zarr.storage.MemoryStore()
    zarr.create_array(store, shape=(3, 4, 4), chunks=(1, 2, 2), dtype="u2")[:] = 7
    for name, data in store._store_dict.items():
        storage.write(f"{path}/{name}", data.to_bytes())


def test_chunks_that_were_never_there_are_the_fill_value(tmp_path, engine):
    zarr = pytest.importorskip("zarr")
    array = zarr.open_array(
        str(tmp_path / "a.zarr"), mode="w", shape=(4, 8, 8), chunks=(1, 4, 8), dtype="u2"
    )
    array[1] = 3
    found = tl.images.fromzarr(tmp_path / "a.zarr", engine=engine)
    assert found.toarray().mean(axis=(1, 2)).tolist() == [0, 3, 0, 0]


def test_a_chunk_that_is_added_after_the_listing_is_not_half_of_it(tmp_path, between):
    chunked(tmp_path / "a.zarr", 7)
    (tmp_path / "a.zarr" / "c").rename(tmp_path / "later")

    def fill():
        shutil.copytree(tmp_path / "later", tmp_path / "a.zarr" / "c")

    seen = set()
    for number in range(1, 40):
        between(0, None)
        shutil.rmtree(tmp_path / "a.zarr" / "c", ignore_errors=True)
        called = between(number, fill)
        try:
            found = tl.images.fromzarr(tmp_path / "a.zarr").toarray()
            assert len(np.unique(found)) == 1
            seen.add(int(found.max()))
        except StorageError:
            seen.add("error")
        if not called():
            break
    assert "error" in seen
