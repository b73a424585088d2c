"""A bucket that is overwritten while it is read: the old, the new or an error of ours, no mixture.

``python tests/support/generations.py bucket`` is the long version, a minute for each format.
"""

from __future__ import annotations

import numpy as np
import pytest
from generations import FORMATS, read_during

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import CorruptDatasetError, StorageError
from thunderlike.parallel.threads import tmap
from thunderlike.storage import s3 as module


def values(name, path):
    """All values that a read gives."""
    return {int(value) for array in FORMATS[name].read(path) for value in np.unique(array)}


# One of each layout: a folder of files, one file, chunks, samples with offsets, shards; all formats
# are read so from a disk.
QUICK = ("tif", "hdf5", "zarr", "dataset", "shards")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in FORMATS],
)
def test_one_generation_is_read_while_others_are_written(bucket, name):
    counts = read_during(name, bucket, overwrites=1)
    assert not counts.mixtures
    assert not counts.untyped
    assert counts.reads
    assert values(name, f"{bucket}/{FORMATS[name].name}") == {3}


# Listings of several pages


@pytest.fixture
def behind(bucket, faulty):
    """The address of a bucket behind a proxy."""
    keys = {"access": "a", "secret": "s", "endpoint_url": faulty.url}
    return storage.at(bucket, keys), faulty


def after_page(proxy, number, function):
    """Call a function when a page of a listing was sent, once."""
    left = [number]

    def rule(request, forward):
        if not request.is_listing:
            return None
        answer = forward()
        left[0] -= 1
        if not left[0]:
            function()
        return answer

    proxy.rule = rule


def test_a_listing_of_several_pages_is_of_one_moment(bucket, behind, s3_client, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 100)
    path, proxy = behind
    name = bucket.removeprefix("s3://")

    def put(number, data):
        s3_client.put_object(Bucket=name, Key=f"many/{number:04d}.bin", Body=data)

    def put_ends(data):
        for number in (0, 1, 108, 109):
            put(number, data)

    list(tmap(lambda number: put(number, b"old"), range(110), workers=16))
    folder = storage.join(path, "many")
    (old,) = {entry.identity for entry in storage.find(folder)}
    assert len([one for one in proxy.asked if one.is_listing]) == 3

    after_page(proxy, 1, lambda: put_ends(b"new"))
    found = [entry.identity for entry in storage.find(folder)]
    assert len(found) == 110
    assert [number for number, one in enumerate(found) if one != old] == [0, 1, 108, 109]


def test_a_folder_that_changes_all_the_time_is_not_listed(behind, bucket, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    path, proxy = behind
    for number in range(5):
        storage.write(f"{bucket}/many/{number}", b"")

    def rule(request, forward):
        if request.is_listing:
            storage.write(f"{bucket}/many/0", str(len(proxy.asked)).encode())

    proxy.rule = rule
    with pytest.raises(StorageError, match="many: was replaced while it was listed"):
        storage.find(storage.join(path, "many"))
    assert len([one for one in proxy.asked if one.is_listing]) == 3 * module.LISTINGS


@pytest.mark.parametrize(
    ("page", "same"), [(1, True), (2, False), (2, True), (4, False), (6, True)]
)
def test_a_folder_that_is_overwritten_between_two_pages_is_one_generation(
    behind, bucket, monkeypatch, page, same
):
    """Also where the images on the first page are the same in both."""
    monkeypatch.setattr(module, "BATCH", 3)
    path, proxy = behind
    old = np.full((7, 4, 5), 1, "u2")
    new = np.full((8, 4, 5), 2, "u2")
    if same:
        new[:4] = 1
    tl.images.fromarray(old).totif(f"{bucket}/tif")
    after_page(proxy, page, lambda: tl.images.fromarray(new).totif(f"{bucket}/tif", overwrite=True))
    try:
        found = tl.images.fromtif(storage.join(path, "tif")).toarray()
    except tl.ThunderlikeError as error:
        assert "was replaced while it was" in str(error)  # noqa: PT017
    else:
        assert found.tolist() in (old.tolist(), new.tolist())


# Data and offsets


def test_images_are_not_cut_by_the_offsets_of_other_samples(bucket):
    path = f"{bucket}/a.msgpack"
    for count in (9, 5):
        with tl.datasets.FileWriter(path, overwrite=True) as writer:
            writer.write_many({"key": f"{i}", "data": np.full(3, count)} for i in range(count))
        if count == 9:
            offsets = storage.read(f"{path}.offsets")
    assert tl.images.frommsgpack(path).shape == (5, 3)
    storage.write(f"{path}.offsets", offsets)
    with pytest.raises(
        CorruptDatasetError, match="was truncated, replaced while it was read, or the two"
    ):
        tl.images.frommsgpack(path)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_shards_that_are_overwritten_between_two_requests_are_of_one_time(behind, bucket, number):
    path, proxy = behind
    write = FORMATS["shards"].write
    write(f"{bucket}/shards", 1)
    left = [number]

    def rule(request, forward):
        left[0] -= 1
        if not left[0]:
            write(f"{bucket}/shards", 2)

    proxy.rule = rule
    try:
        assert values("shards", storage.join(path, "shards")) in ({1}, {2})
    except tl.ThunderlikeError as error:
        assert "replaced" in str(error)  # noqa: PT017
