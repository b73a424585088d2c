"""One version of a file is read, or none: never a mixture of two."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thunderlike import storage
from thunderlike.errors import NotFoundError, SpecError, StorageError
from thunderlike.storage._open import open_file, open_whole

REPLACED = "was replaced while it was read; read it again"
OLD, NEW = b"old header, old data", b"new header, new data"


@pytest.fixture
def path(tmp_path):
    storage.write(tmp_path / "file", OLD)
    return tmp_path / "file"


def test_a_local_version_stays_readable_when_another_takes_its_name(path):
    with storage.open(path) as file, open_file(path) as stream:
        storage.write(path, NEW)
        assert (file.read(), stream.read()) == (OLD, OLD)
        with pytest.raises(StorageError, match=REPLACED):
            file.check()


def test_a_file_that_is_changed_in_place_is_refused(path):
    with storage.open(path) as file, open_file(path) as stream:
        assert file.read_range(0, 3) == b"old"
        path.write_bytes(NEW + b", more of it")
        for read in (file.read, lambda: file.read_range(0, 3), stream.read):
            with pytest.raises(StorageError, match=f"{path}: {REPLACED}"):
                read()


@pytest.mark.parametrize("opened", [open_file, open_whole, storage.open])
def test_what_is_opened_by_the_identity_of_another_version_is_refused(path, opened):
    (entry,) = storage.find(path)
    opened(path, identity=entry.identity).close()
    storage.write(path, NEW)
    with pytest.raises(StorageError, match=REPLACED):
        opened(path, identity=entry.identity)


def test_streams_of_one_version_have_positions_of_their_own(path):
    with storage.open(path) as file:
        first, second = open_file(file), open_file(file)
        first.seek(12)
        assert (first.read(3), second.read(3), second.tell()) == (b"old", b"old", 3)
        first.close()
        assert second.seek(-4, os.SEEK_END) == len(OLD) - 4
        assert second.read() == b"data"


def test_header_and_map_are_of_one_descriptor(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(6))
    with open_file(file) as stream:
        np.lib.format.read_magic(stream)
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        np.save(tmp_path / "b.npy", np.zeros(9, "u1"))
        (tmp_path / "b.npy").replace(file)
        mapped = np.memmap(stream, dtype, "r", stream.tell(), shape)
    assert mapped.tolist() == [0, 1, 2, 3, 4, 5]


def test_ranges_that_are_asked_for_at_once_are_of_one_version():
    storage.write("memory://version", OLD)
    with storage.open("memory://version") as file, ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda start: file.read_range(start, 1), range(20)))
        assert b"".join(parts) == OLD
        storage.write("memory://version", NEW)
        with pytest.raises(StorageError, match=REPLACED), open_file(file) as stream:
            stream.read()
    storage.delete("memory://version")


def test_a_range_before_the_first_byte_means_nothing(path):
    with storage.open(path) as file, pytest.raises(SpecError, match="start=-1"):
        file.read_range(-1, 2)


def test_a_closed_version_is_not_read(path):
    file = storage.open(path)
    file.close()
    with pytest.raises(ValueError, match="is closed"):
        file.read()


@pytest.mark.parametrize("place", ["{tmp}/folder", "memory://generation"])
def test_the_identity_of_a_folder_is_that_of_all_its_files(tmp_path, place):
    folder = place.format(tmp=tmp_path)
    storage.write(f"{folder}/a/1", b"1")
    storage.write(f"{folder}/2", b"2")
    before = storage.identity(folder)
    storage.write(f"{folder}/.{'0' * 32}.partial/3", b"3") if "://" in place else None
    assert storage.identity(folder) == before
    for change in (
        lambda: storage.write(f"{folder}/2", b"3"),
        lambda: storage.write(f"{folder}/a/4", b"4"),
        lambda: storage.delete(f"{folder}/a/1"),
    ):
        change()
        assert storage.identity(folder) != before
        before = storage.identity(folder)
    assert storage.identity(f"{folder}/2") != before
    storage.delete(folder)
    with pytest.raises(NotFoundError):
        storage.identity(folder)


READS = {
    "stat": storage.stat,
    "read": storage.read,
    "read_range": lambda path: storage.read_range(path, 0, 1),
    "open": storage.open,
    "open_file": open_file,
    "find": storage.find,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_what_is_no_regular_file_is_refused_and_waits_for_nobody(tmp_path, read):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "socket"))
    for place, kind in (
        (tmp_path / "fifo", "a FIFO"),
        (tmp_path / "socket", "a socket"),
        ("/dev/null", "a character device"),
    ):
        with pytest.raises(StorageError, match=f"{place}: is {kind}.*, not a regular file"):
            read(place)


def test_what_is_refused_leaves_no_descriptor_open(path):
    def lowest_free():
        os.close(free := os.dup(0))
        return free

    before = lowest_free()
    with pytest.raises(StorageError):
        storage.open(path, identity="of another version")
    assert lowest_free() == before
