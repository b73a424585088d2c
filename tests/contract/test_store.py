"""The stores of this package, each by the tests that every store inherits."""

from __future__ import annotations

import uuid

import pytest

from thunderlike.storage import delete
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
