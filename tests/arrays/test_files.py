"""Sources and sinks in files, wherever those are, and in memory that processes share."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile

from thunderlike import arrays, storage
from thunderlike.arrays._sources import as_source
from thunderlike.arrays.shared import shared_array
from thunderlike.errors import NotFoundError, SpecError, StorageError

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 50, (23, 14, 9)).astype(np.uint16)
TABLE = np.arange(50, dtype=np.float32) / 4


def npy(folder):
    np.save(folder / "x.npy", VALUES)
    return folder / "x.npy"


def fortran(folder):
    np.save(folder / "f.npy", np.asfortranarray(VALUES))
    return folder / "f.npy"


def tiff(folder):
    tifffile.imwrite(folder / "x.tif", VALUES, photometric="minisblack")
    return folder / "x.tif"


def compressed(folder):
    tifffile.imwrite(folder / "z.tif", VALUES, photometric="minisblack", compression="zlib")
    return str(folder / "z.tif")


def hdf5(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("deep/data", data=VALUES, chunks=(4, 5, 9), compression="gzip")
    return f"{folder}/x.h5::/deep/data"


def node(folder):
    return h5py.File(hdf5(folder).partition("::")[0])["deep/data"]


def pytables(folder):
    tables = pytest.importorskip("tables")
    with tables.open_file(folder / "t.h5", "w") as file:
        file.create_carray("/", "data", obj=VALUES)
    return tables.open_file(folder / "t.h5").root.data


def zarr(folder):
    zarr = pytest.importorskip("zarr")
    made = zarr.create_array(folder / "x.zarr", shape=VALUES.shape, dtype="u2", chunks=(4, 14, 9))
    made[...] = VALUES
    return folder / "x.zarr"


def zarr_node(folder):
    return pytest.importorskip("zarr").open_array(zarr(folder), mode="r")


def memory(_folder):
    np.save(stream := __import__("io").BytesIO(), VALUES)
    storage.write("memory://arrays/x.npy", stream.getvalue())
    return "memory://arrays/x.npy"


def shared(_folder):
    made = shared_array(VALUES.shape, VALUES.dtype)
    made[...] = VALUES
    return made


def images(_folder):
    import thunderlike as tl

    return tl.images.fromarray(VALUES)


SOURCES = (npy, fortran, tiff, compressed, hdf5, node, pytables, zarr, zarr_node, memory, shared)


@pytest.fixture(params=(*SOURCES, images), ids=lambda make: make.__name__)
def source(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    owner = getattr(made, "file", None) or getattr(made, "_v_file", None)
    if owner is not None:
        owner.close()


def test_every_function_reads_every_source(source):
    found = np.asarray(arrays.apply_lut(source, TABLE))
    np.testing.assert_array_equal(found, TABLE[VALUES])
    np.testing.assert_array_equal(arrays.where(source, cutoff=0), np.argwhere(VALUES))
    expected = VALUES + np.pad(VALUES, ((0, 1), (0, 0), (0, 0)))[1:]
    np.testing.assert_array_equal(np.asarray(arrays.correlate1d(source, [0, 1, 1])), expected)
    kernel, high = np.ones((2, 1, 1), int), np.arange(200)
    expected = VALUES + np.pad(VALUES, ((1, 0), (0, 0), (0, 0)))[:-1]
    found = arrays.apply_lut_to_index(source, kernel, high)
    np.testing.assert_array_equal(found, expected)
    assert arrays.block_sums(source, 3).sum() == VALUES.sum()
    np.testing.assert_array_equal(arrays.read(source), VALUES)
    for part in (2, np.s_[3:9], np.s_[20:3:-4, 1], np.s_[..., 0]):
        np.testing.assert_array_equal(arrays.read(source, slicing=part), VALUES[part])


@pytest.mark.parametrize("name", ["y.npy", "y.tif", "y.h5::/a/b", "y.h5", "y.zarr"])
def test_every_file_is_a_sink_and_reads_back(name, tmp_path):
    if ".zarr" in name:
        pytest.importorskip("zarr")
    path = f"{tmp_path}/{name}"
    found = arrays.apply_lut(VALUES, TABLE, path)
    assert found is path or isinstance(found, np.memmap)
    np.testing.assert_array_equal(as_source(path).values(), TABLE[VALUES])
    arrays.correlate1d(VALUES, [1.0], path)  # and again, over what is there
    np.testing.assert_array_equal(as_source(path).values(), VALUES)
    assert not list(tmp_path.glob(".*"))


def test_a_file_elsewhere_is_a_sink_too():
    assert arrays.write("memory://arrays/y.npy", VALUES) == "memory://arrays/y.npy"
    np.testing.assert_array_equal(arrays.read("memory://arrays/y.npy"), VALUES)
    storage.delete("memory://arrays")


def test_a_dataset_that_is_open_is_a_sink(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = file.create_dataset("y", VALUES.shape, "f4", chunks=(4, 5, 9))
        assert arrays.apply_lut(VALUES, TABLE, made) is made
        np.testing.assert_array_equal(made[...], TABLE[VALUES])


def test_a_file_that_holds_more_is_not_replaced(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["one"], file["two"] = [1], [2]
    with pytest.raises(SpecError, match="holds more than '/one'"):
        arrays.write(f"{tmp_path}/x.h5::/one", VALUES)


def test_a_file_of_another_kind_is_not_replaced(tmp_path):
    (tmp_path / "x.npy").write_text("a diary")
    with pytest.raises(OSError, match="was not written by us"):
        arrays.write(tmp_path / "x.npy", VALUES)


def test_a_mapped_sink_is_flushed(tmp_path):
    sink = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, VALUES.shape)
    assert arrays.apply_lut(VALUES, TABLE, sink) is sink
    code = f"import numpy; print(numpy.load({str(tmp_path / 'x.npy')!r}).sum())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(child.stdout) == pytest.approx(float(TABLE[VALUES].sum()))


def test_a_mapped_source_is_never_loaded_whole(tmp_path):
    assert isinstance(as_source(npy(tmp_path)).array, np.memmap)
    assert isinstance(as_source(tiff(tmp_path)).array, np.memmap)


def test_two_mappings_of_one_file_do_not_disturb_each_other(tmp_path):
    path, ones = tmp_path / "x.npy", np.ones((4000, 10))
    np.save(path, ones)
    sink = np.load(path, mmap_mode="r+")
    arrays.correlate1d(path, [1.0, 1.0, 1.0], sink, processes=2)
    np.testing.assert_array_equal(np.load(path), arrays.correlate1d(ones, [1.0, 1.0, 1.0]))


def test_empty_arrays_give_empty_results(form, tmp_path):
    for shape in ((0,), (3, 0), (0, 4, 2)):
        empty = np.zeros(shape, np.uint8)
        assert arrays.apply_lut(empty, [1.5]).shape == shape
        assert arrays.correlate1d(empty, [1, 2]).shape == shape
        kernel = np.ones((1,) * len(shape), int)
        assert arrays.apply_lut_to_index(empty, kernel, np.arange(256)).shape == shape
        rows = (0,) if len(shape) == 1 else (0, len(shape))
        assert arrays.where(empty, cutoff=0).shape == rows
        assert arrays.block_sums(empty).shape == (0,)
        assert arrays.write(tmp_path / "x.npy", empty).shape == shape
        assert arrays.read(tmp_path / "x.npy").shape == shape
    assert arrays.neighbours([], 1).shape == (0, 2)
    assert arrays.apply_lut(np.int64(1), [5, 6]).shape == ()


def test_rows_of_a_table_become_a_last_axis(form):
    table = RNG.integers(0, 255, (50, 3)).astype(np.uint8)
    np.testing.assert_array_equal(arrays.apply_lut(VALUES, table), table[VALUES])


def test_sinks_and_sources_by_hand(tmp_path):
    made, buffer, shape = arrays.initialize_sink(
        location=tmp_path / "x.npy", source=np.zeros((2, 3), bool), return_shape=True
    )
    assert (made.dtype, buffer.dtype, shape.tolist()) == (bool, np.uint8, [2, 3])
    again = arrays.initialize_sink(tmp_path / "x.npy", return_buffer=False)
    assert again.shape == (2, 3)
    with pytest.raises(ValueError, match="holds bool of shape"):
        arrays.initialize_sink(tmp_path / "x.npy", shape=(4,), dtype="f4", mode="r+")
    source, order = arrays.initialize_source(np.zeros((2, 3), order="F"), False, return_order=True)
    assert (source.shape, order) == ((2, 3), "F")


# Shared memory


def test_another_process_writes_in_shared_memory():
    from thunderlike.parallel import pmap

    def child(array):  # within, so that it is sent by value: tests cannot be imported elsewhere
        array[1:] += 1
        return float(array.sum())

    made = shared_array((4,), np.float64)
    assert list(pmap(child, [made[1:]], backend="processes", workers=1)) == [2.0]
    assert made.tolist() == [0, 0, 1, 1]


def test_shared_memory_goes_with_its_last_owner():
    made = shared_array((3, 5), "i4", "F")
    path, sent = made._segment.path, pickle.dumps(made)
    view = made[1:]
    del made
    assert path.exists()
    theirs = pickle.loads(sent)
    del view
    assert not path.exists()
    theirs[...] = 1  # who has mapped it keeps it
    with pytest.raises(NotFoundError, match="the shared array is gone"):
        pickle.loads(sent)


def test_a_copy_of_shared_memory_is_an_array_as_any_other():
    copy = shared_array((3,), "f8") + 1
    assert pickle.loads(pickle.dumps(copy)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("missing", [("posix_fallocate", "sched_getaffinity"), ("preadv",)])
def test_systems_that_lack_a_call_do_without(tmp_path, monkeypatch, missing):
    """As macOS does."""
    for name in (*missing, "posix_fadvise"):
        monkeypatch.delattr(os, name, raising=False)
    shared = arrays.read(np.arange(6), memory="shared")
    assert shared.tolist() == [0, 1, 2, 3, 4, 5]
    values = np.arange(100_000).reshape(100, 1000)
    arrays.write(tmp_path / "x.npy", values)
    np.testing.assert_array_equal(arrays.read(tmp_path / "x.npy"), values, strict=True)
    with pytest.raises(StorageError, match="not enough shared memory"):
        shared_array((2**60,), "u1")
