"""What we unpack ourselves is what the library reads; what we don't know is left to it."""

from __future__ import annotations

import io
import zlib

import h5py
import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import FormatError
from thunderlike.formats import hdf5
from thunderlike.formats._hdf5_chunks import Packing
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert

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


@pytest.mark.parametrize("block", [512, 1024, 4096])
@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_user_block_as_matlab_writes_it_is_passed_over(tmp_path, block, place):
    values = np.arange(60.0).reshape(3, 4, 5)
    with h5py.File(tmp_path / "m.mat", "w", userblock_size=block) as file:
        file.create_dataset("mov", data=values, chunks=(1, 4, 5), compression="gzip")
        for name, data, known in (
            ("empty", np.zeros(2, "u8"), {"MATLAB_class": "double", "MATLAB_empty": np.uint8(1)}),
            ("text", np.array([[104], [105]], "u2"), {"MATLAB_class": "char"}),
            ("#refs#/a", np.zeros(3), {}),
        ):
            found = file.create_dataset(name, data=data)
            for key, value in known.items():
                found.attrs[key] = np.bytes_(value) if isinstance(value, str) else value
    with (tmp_path / "m.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    path = str(tmp_path / "m.mat")
    if place == "memory":
        storage.write("memory://user-block/m.mat", (tmp_path / "m.mat").read_bytes())
        path = "memory://user-block/m.mat"
    np.testing.assert_array_equal(tl.images.fromhdf5(path).toarray(), values)
    np.testing.assert_array_equal(tl.series.fromhdf5(path, "/mov").toarray(), values)
    assert look(path).description()["format"] == "hdf5"
    convert(look(path), str(tmp_path / "out.npy"), "npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)
    storage.delete("memory://user-block")


@pytest.mark.parametrize(
    "data", [b"", b"MATLAB 5.0 MAT-file".ljust(5000), bytes(511) + hdf5._MAGIC]
)
def test_what_never_becomes_hdf5_is_refused(data):
    with pytest.raises(FormatError, match="not an HDF5 file"):
        hdf5.describe(io.BytesIO(data))


def test_nwb_behind_a_user_block(tmp_path):
    with h5py.File(tmp_path / "a.nwb", "w", userblock_size=512) as file:
        group = file.create_group("acquisition/movie")
        group.attrs["neurodata_type"] = "TwoPhotonSeries"
        group["data"] = np.zeros((3, 4, 5))
    assert tl.images.fromnwb(tmp_path / "a.nwb").shape == (3, 4, 5)


def test_arrays_are_named_in_the_order_of_their_names():
    stream = io.BytesIO()
    with h5py.File(stream, "w", track_order=True) as file:
        for name in ("z", "g/y", "b", "g/a", "text"):
            file[name] = "none" if name == "text" else np.arange(3)
    assert hdf5.datasets(stream) == ["/b", "/g/a", "/g/y", "/z"]
