"""Zarr arrays in a folder of files."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from thunderlike.errors import StorageError
from thunderlike.formats import zarr


class FullDisk:
    """Fails the first write of a chunk, while the second is still going on."""

    def __init__(self):
        self.files = {}
        self.finished = []
        self.order = iter(range(1000))
        self.second = threading.Event()

    def read(self, name):
        return self.files.get(name)

    def list(self):
        return list(self.files)

    def write(self, name, data):
        if not name.startswith("c/"):
            self.files[name] = data
            return
        number = next(self.order)
        if number == 0:
            assert self.second.wait(60)
            raise StorageError("no space left")
        self.second.set()
        threading.Event().wait(0.3)
        self.finished.append(number)


def test_no_chunk_is_written_after_a_failed_write_was_raised(monkeypatch):
    monkeypatch.setattr(zarr, "chunk_shape", lambda shape, *_: (1, *shape[1:]))
    disk = FullDisk()
    writer = zarr.Writer(disk, (6, 4, 4), np.dtype("i2"))
    with pytest.raises(StorageError, match="no space left"):
        writer.put(0, np.ones((6, 4, 4), "i2"))
    at_the_error = list(disk.finished)
    threading.Event().wait(0.6)
    assert disk.finished == at_the_error
