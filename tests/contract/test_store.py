"""The stores of this package, each by the tests that every store inherits."""

from __future__ import annotations

import uuid

import pytest

from thunderlike.storage import delete
from thunderlike.storage.paths import STORES
from thunderlike.testing import StoreSuite


class TestLocal(StoreSuite):
    @pytest.fixture
    def root(self, tmp_path):
        return f"{tmp_path}/store"


class TestMemory(StoreSuite):
    @pytest.fixture
    def root(self):
        address = f"memory://{uuid.uuid4().hex}"
        yield address
        delete(address)


class TestS3(StoreSuite):
    @pytest.fixture
    def root(self, bucket):
        return f"{bucket}/store"


class TestCloud(StoreSuite):
    """fsspec's memory stands for the clouds that it leads to."""

    @pytest.fixture
    def root(self, monkeypatch):
        fsspec = pytest.importorskip("fsspec")
        fsspec.register_implementation(
            "cloud", "fsspec.implementations.memory.MemoryFileSystem", clobber=True
        )
        monkeypatch.setitem(STORES, "cloud", STORES["gs"])
        return f"cloud://bucket/{uuid.uuid4().hex}"
