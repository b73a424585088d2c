"""Pickles in every place that a format has for them: none runs."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
import zarr

import thunderlike as tl
from thunderlike.datasets import MsgpackReader
from thunderlike.errors import FormatError
from thunderlike.formats import safe_pickle

MOVIE = np.ones((4, 3, 3), "<i2")


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.fixture
def payload(tmp_path):
    yield pickle.dumps(Payload(tmp_path / "ran"))
    assert not (tmp_path / "ran").exists()


def test_the_payload_works(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"compressor": {"id": "pickle"}},
        {"filters": [{"id": "pickle"}]},
        {"filters": [{"id": "delta", "dtype": "<i2"}, {"id": "pickle"}]},
        {"dtype": "|O", "filters": [{"id": "pickle"}]},
    ],
    ids=["compressor", "filter", "filters", "objects"],
)
def test_the_pickle_codec_of_zarr(tmp_path, payload, change):
    path = tmp_path / "x.zarr"
    made = zarr.create_array(
        path, shape=MOVIE.shape, chunks=MOVIE.shape, dtype="<i2", zarr_format=2, compressors=None
    )
    made[...] = MOVIE
    document = json.loads((path / ".zarray").read_text()) | change
    (path / ".zarray").write_text(json.dumps(document))
    (path / "0.0.0").write_bytes(payload)
    for read in (tl.images.fromzarr, tl.series.fromzarr):
        with pytest.raises(FormatError):
            read(path).toarray()


def test_arrays_of_objects(tmp_path, payload):
    hidden = np.empty(1, object)
    hidden[0] = Payload(tmp_path / "ran")
    np.save(tmp_path / "x.npy", hidden, allow_pickle=True)
    np.savez(tmp_path / "x.npz", labels=hidden, x=hidden)
    with pytest.raises(FormatError, match="object"):
        tl.images.fromnpy(tmp_path / "x.npy")
    with pytest.raises(FormatError, match=r"x\.npz"):
        tl.batches.Batch([0]).load(str(tmp_path / "x.npz"), fmt="npz")


def test_messages(tmp_path, payload):
    import msgspec

    message = msgspec.msgpack.encode(
        {"key": "a", "image": {b"nd": True, b"type": "O", b"kind": b"O", b"shape": [1],
                               b"data": payload}}
    )  # fmt: skip
    with tl.datasets.FileWriter(tmp_path / "x.msgpack") as writer:
        writer.write({"key": "a", "image": np.zeros(len(payload) + 100, "u1")})
    size = (tmp_path / "x.msgpack").stat().st_size
    (tmp_path / "x.msgpack").write_bytes(message)
    offsets = tmp_path / "x.msgpack.offsets"
    offsets.write_bytes(np.array([0, len(message)], ">u8").tobytes())
    assert size != len(message)
    with pytest.raises(tl.ThunderlikeError, match="object arrays"):
        list(MsgpackReader(tmp_path / "x.msgpack"))


@pytest.mark.parametrize("protocol", range(5))
def test_pickles_of_sets_are_values_and_arrays(protocol, tmp_path):
    value = {"a": np.arange(6, dtype=">i4").reshape(2, 3), "b": [1, "x", b"y"], "c": np.float32(2)}
    found = safe_pickle.load(pickle.dumps(value, protocol), "x")
    np.testing.assert_array_equal(found.pop("a"), value.pop("a"))
    assert found == value
    with pytest.raises(FormatError, match="nothing was run"):
        safe_pickle.load(pickle.dumps(Payload(tmp_path / "ran"), protocol), "x")


HOSTILE = {
    "objects for bytes": (3, (1,), np.dtype("O"), False, b"\1" * 8),
    "too few bytes": (1, (1000,), np.dtype("f8"), False, b"\0"),
    "a negative shape": (1, (-1,), np.dtype("f8"), False, b""),
    "no dtype": (1, (1,), "f8", False, b"\0" * 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_pickle_says_of_an_array_is_not_believed(name):
    class Made:
        def __reduce__(self):
            return (*np.zeros(0).__reduce__()[:2], HOSTILE[name])

    with pytest.raises(FormatError):
        safe_pickle.load(pickle.dumps(Made(), 2), "x")
