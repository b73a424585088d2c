"""What we unpack ourselves is what the library reads; what we don't know is left to it."""

from __future__ import annotations

import io
import zlib

import h5py
import numpy as np
import pytest

from thunderlike.errors import FormatError
from thunderlike.formats import hdf5
from thunderlike.formats.hdf5chunks import Packing

SHAPE = (7, 10, 9)


def written(dtype="u2", **options):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200, SHAPE).astype(dtype)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("data", data=values, **options)
    return stream, values


def read(stream, shape, dtype, axis, start, stop):
    first = (stop - start, *shape[:axis], *shape[axis + 1 :])
    out = np.empty(first, np.dtype(dtype).newbyteorder("="))
    hdf5.read(stream, "/data", axis, start, stop, out)
    return out


OURS = [
    {"chunks": (2, 4, 4)},
    {"chunks": (7, 10, 9), "shuffle": True},
    {"chunks": (3, 4, 9), "compression": "gzip"},
    {"chunks": (2, 3, 4), "compression": "gzip", "shuffle": True},
]
THEIRS = [
    {},
    {"chunks": (2, 4, 4), "compression": "lzf"},
    {"chunks": (2, 4, 4), "compression": "gzip", "fletcher32": True},
    {"chunks": (2, 4, 4), "scaleoffset": 0},
]


@pytest.mark.parametrize("options", OURS + THEIRS, ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_reads_a_range_of_any_axis(options, axis):
    stream, values = written(**options)
    with h5py.File(stream) as file:
        assert (Packing.of(file["data"]) is not None) == (options in OURS)
    got = read(stream, SHAPE, "u2", axis, 1, 6)
    np.testing.assert_array_equal(got, np.moveaxis(values, axis, 0)[1:6])


@pytest.mark.parametrize("dtype", ["?", "i1", ">u2", "<i4", ">f4", "f8", "c8", "f2"])
def test_reads_every_dtype(dtype):
    stream, values = written(dtype, chunks=(2, 4, 4), compression="gzip", shuffle=True)
    got = read(stream, SHAPE, dtype, 0, 0, 7)
    np.testing.assert_array_equal(got, values)
    assert got.dtype.isnative


def test_what_was_never_written_is_the_fill_value():
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_dataset("data", (4, 6), "i2", chunks=(2, 3), fillvalue=7)
        data[:2] = 1
    np.testing.assert_array_equal(
        read(stream, (4, 6), "i2", 0, 0, 4), np.repeat([[1], [7]], 2, axis=0) * np.ones((1, 6))
    )


@pytest.mark.parametrize(
    "chunk", [b"nonsense", zlib.compress(bytes(9)), zlib.compress(bytes(10**7))]
)
def test_a_damaged_chunk_is_refused(chunk):
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_dataset("data", (4,), "u2", chunks=(4,), compression="gzip")
        data.id.write_direct_chunk((0,), chunk)
    with pytest.raises(FormatError):
        read(stream, (4,), "u2", 0, 0, 4)


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_filters_that_were_left_out_of_a_chunk(mask):
    values = np.arange(4, dtype="u2")
    left = Packing((4,), values.dtype, shuffled=not mask & 1, deflated=not mask & 2)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_dataset(
            "data", (4,), "u2", chunks=(4,), compression="gzip", shuffle=True
        )
        data.id.write_direct_chunk((0,), left.pack(values), filter_mask=mask)
    with h5py.File(stream) as file:
        np.testing.assert_array_equal(file["data"][:], values)
    np.testing.assert_array_equal(read(stream, (4,), "u2", 0, 0, 4), values)


@pytest.mark.parametrize("compression", ["zlib", None])
@pytest.mark.parametrize("dtype", ["u1", "f4", ">i2"])
def test_the_library_reads_what_we_write(tmp_path, compression, dtype):
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)
    with hdf5.Writer(tmp_path / "a.h5", SHAPE, values.dtype, compression=compression) as writer:
        for start in range(0, len(values), writer.rows):
            writer.put(start, values[start : start + writer.rows])
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["data"][:], values)
