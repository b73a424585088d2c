"""Readers and writers of every format before a server of buckets that misbehaves.

Each gives or writes the right values, or raises an error of ours; none gives others.
"""

from __future__ import annotations

import numpy as np
import pytest
from bucket_server import FAULTS, short, truncated
from generations import FORMATS

import thunderlike as tl
from thunderlike import storage

NAMES = ("npy", "tif", "zarr", "hdf5", "load", "dataset")
DAMAGE = {
    name: FAULTS[name]
    for name in (
        "no ETag", "a page", "the whole instead of a range", "chunked", "404", "no bucket", "503",
        "closed",
    )
} | {"truncated": truncated, "short": short}  # fmt: skip


def from_request(number, fault):
    """Misbehave from that request on."""
    left = [number]

    def rule(request, forward):
        left[0] -= 1
        return fault(request, forward) if left[0] < 0 else None

    return rule


@pytest.fixture
def behind(bucket, faulty, monkeypatch):
    """The address of a bucket behind a proxy, and the proxy."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    keys = {"access": "a", "secret": "s", "endpoint_url": faulty.url}
    yield storage.at(bucket, keys), faulty
    faulty.rule = None


def values(name, path):
    """All values that a read gives."""
    return {int(value) for array in FORMATS[name].read(path) for value in np.unique(array)}


@pytest.fixture
def slow(request):
    """Whether every fault meets every format at every place; otherwise they meet in pairs."""
    return request.config.getoption("--slow")


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_gives_what_was_written_or_an_error(behind, bucket, slow, name):
    path, proxy = behind
    FORMATS[name].write(f"{bucket}/{FORMATS[name].name}", 7)
    place = storage.join(path, FORMATS[name].name)
    for number, (label, fault) in enumerate(DAMAGE.items()):
        # At the first request, in the middle and near the end, a different one for each fault.
        places = [0, 1 + number % 3, 5]
        turn = (number + NAMES.index(name)) % 3
        for first in set(places if slow else places[turn : turn + 1]):
            proxy.rule = from_request(first, fault)
            try:
                found = values(name, place)
            except tl.ThunderlikeError as error:
                assert "\n" not in str(error)  # noqa: PT017
            else:
                assert found == {7}, (label, first)


@pytest.mark.parametrize("name", NAMES)
def test_a_writer_that_fails_says_so_and_leaves_one_of_both(behind, bucket, slow, name):
    path, proxy = behind
    plain = f"{bucket}/{FORMATS[name].name}"
    place = storage.join(path, FORMATS[name].name)
    FORMATS[name].write(plain, 1)
    for number, (label, fault) in enumerate(DAMAGE.items()):
        if not slow and (number + NAMES.index(name)) % 2:
            continue
        proxy.rule = from_request(2 + number * 5 % 13, fault)
        try:
            FORMATS[name].write(place, 2)
            expected = {2}
        except tl.ThunderlikeError:
            expected = None
        proxy.rule = None
        try:
            found = values(name, plain)
        except tl.ThunderlikeError:
            found = None
            storage.delete(plain)
            FORMATS[name].write(plain, 1)
        assert found in (({1}, {2}, None) if expected is None else ({2},)), label
