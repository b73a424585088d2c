"""A small dataset on a disk, and its samples."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.datasets import FileWriter


def made(count):
    return [
        {"key": f"k{i}", "label": i, "image": bytes([i % 256]) * (i % 50), "a": np.arange(i % 4)}
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def samples():
    return made(100)


@pytest.fixture
def path(tmp_path, samples):
    place = tmp_path / "set.msgpack"
    with FileWriter(place, sums=True) as writer:
        writer.write_many(samples)
    return place


def keys(found):
    return [sample["key"] for sample in found]
