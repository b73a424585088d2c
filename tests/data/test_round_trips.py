"""Out to files and in again: every format, to every kind of place, on every engine."""

from __future__ import annotations

import uuid
import weakref
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tables
import tifffile
import zarr
from PIL import Image

import thunderlike as tl
from thunderlike import storage
from thunderlike.data.writers import assemble
from thunderlike.engines import Spec

SHAPES = [(7, 12, 9), (5, 3, 6, 4)]  # of pictures and of volumes
CASES = [(SHAPES[0], "uint8"), (SHAPES[1], "float32")]

IMAGES = {
    "tobinary": tl.images.frombinary,
    "totif": tl.images.fromtif,
    "topng": tl.images.frompng,
    "tonpy": tl.images.fromnpy,
    "tohdf5": tl.images.fromhdf5,
    "tozarr": tl.images.fromzarr,
    "tomsgpack": tl.images.frommsgpack,
}
SERIES = {
    "tobinary": tl.series.frombinary,
    "totext": tl.series.fromtext,
    "tonpy": tl.series.fromnpy,
    "tohdf5": tl.series.fromhdf5,
    "tozarr": tl.series.fromzarr,
    "tomsgpack": tl.series.frommsgpack,
}
HOLDS = {"topng": {"bool", "uint8", "uint16"}}  # all others hold all
ON_SPARK = {  # each way of writing and reading once, from each kind of place
    "s3": {"totif", "tohdf5"},
    "memory": {"tobinary", "tonpy"},
}
WHOLE = {"tonpy": "all.npy", "tohdf5": "all.h5", "tozarr": "all.zarr"}


@pytest.fixture(params=["local", "memory", "s3"])
def place(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path)
    elif request.param == "s3":
        yield request.getfixturevalue("bucket")
    else:
        address = f"memory://{uuid.uuid4().hex}"
        yield address
        storage.delete(address)


def skip_what_another_shows(place, engine, write):
    scheme = place.partition("://")[0]
    if engine.name == "spark" and scheme in ON_SPARK and write not in ON_SPARK[scheme]:
        pytest.skip("another format shows it on Spark")


def values(shape, dtype):
    drawn = np.random.default_rng(len(shape)).integers(0, 250, shape)
    return (drawn % 2 if dtype == "bool" else drawn).astype(dtype)


def cases(write, place):
    """Pictures and volumes; one of these in a bucket, where each file takes its time."""
    held = [case for case in CASES if write not in HOLDS or case[1] in HOLDS[write]]
    return held[-1:] if place.startswith("s3:") else held


def target(place, write, number):
    return f"{place}/{write}{number}/{WHOLE.get(write, '')}".rstrip("/")


@pytest.mark.parametrize("write", IMAGES)
def test_images(place, engine, write):
    skip_what_another_shows(place, engine, write)
    for number, (shape, dtype) in enumerate(cases(write, place)):
        array, path = values(shape, dtype), target(place, write, number)
        getattr(tl.images.fromarray(array, engine=engine), write)(path)
        found = IMAGES[write](path, engine=engine)
        np.testing.assert_array_equal(found.toarray(squeeze=False), array, strict=True)


@pytest.mark.parametrize("write", SERIES)
def test_series(place, engine, write):
    skip_what_another_shows(place, engine, write)
    for number, (shape, dtype) in enumerate(cases(write, place)):
        array, path = values(shape, dtype), target(place, write, number)
        getattr(tl.series.fromarray(array, engine=engine), write)(path)
        options = {"dtype": dtype} if write == "totext" else {}
        found = SERIES[write](path, engine=engine, **options)
        np.testing.assert_array_equal(found.toarray(squeeze=False), array, strict=True)


def test_other_libraries_read_what_we_write(engine, tmp_path):
    array = values(SHAPES[0], "uint8")
    images = tl.images.fromarray(array, engine=engine)
    for write in IMAGES:
        getattr(images, write)(tmp_path / write / WHOLE.get(write, ""))
    read = {
        "totif": lambda: [tifffile.imread(f) for f in sorted(tmp_path.glob("totif/*.tif"))],
        "topng": lambda: [np.asarray(Image.open(f)) for f in sorted(tmp_path.glob("topng/*.png"))],
        "tonpy": lambda: np.load(tmp_path / "tonpy/all.npy", mmap_mode="r"),
        "tozarr": lambda: zarr.open_array(tmp_path / "tozarr/all.zarr")[:],
        "tohdf5": lambda: _read_by_h5py(tmp_path / "tohdf5/all.h5"),
    }
    for name, call in read.items():
        np.testing.assert_array_equal(call(), array, err_msg=name)
    with tables.open_file(tmp_path / "tohdf5/all.h5") as file:
        np.testing.assert_array_equal(file.root.data[:], array)
        assert file.root.data.filters.shuffle


def _read_by_h5py(path):
    with h5py.File(path) as file:
        return file["data"][:]


@pytest.mark.parametrize("write", WHOLE)
def test_many_chunks_come_together(engine, tmp_path, write, monkeypatch):
    from thunderlike.formats import base

    monkeypatch.setattr(base.chunk_shape, "__defaults__", (256,))
    array = values((50, 17, 13), "uint16")
    for make, read, values_ in (
        (tl.images.fromarray, IMAGES, array),
        (tl.series.fromarray, SERIES, np.moveaxis(array, 0, -1)),
    ):
        path = tmp_path / make.__module__ / WHOLE[write]
        getattr(make(values_, engine=engine), write)(path)
        found = read[write](path, engine=engine)
        np.testing.assert_array_equal(found.toarray(), values_, strict=True)


def test_one_slab_is_in_memory_while_records_are_written():
    array, slabs, written = values((60, 5), "uint16"), [], []

    def stream():
        for start in range(0, 60, 4):
            assert all(ref() is None for ref in slabs)
            yield start, array[start : start + 4]

    def put(start, slab):
        slabs.append(weakref.ref(slab.base))
        written.append(slab.copy())

    spec = Spec(60, (5,), array.dtype)
    records = SimpleNamespace(
        spec=spec, stream=stream, in_memory=False, engine=SimpleNamespace(in_process=True)
    )
    assemble(records, (12, 5), SimpleNamespace(rows=3, put=put), "")
    assert len(slabs) == 4
    np.testing.assert_array_equal(np.concatenate(written).reshape(60, 5), array, strict=True)


@pytest.mark.parametrize("read", [tl.images.fromhdf5, tl.images.fromzarr, tl.images.fromnpy])
@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_any_axis_counts_the_images(tmp_path, read, axis):
    array = values((6, 5, 4), "int16")
    path = _written_by_others(read, tmp_path, array)
    found = read(path, axis=axis).toarray(squeeze=False)
    expected = array[np.newaxis] if axis is None else np.moveaxis(array, axis, 0)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("read", [tl.series.fromhdf5, tl.series.fromzarr, tl.series.fromnpy])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_series_run_along_any_axis(tmp_path, read, axis):
    array = values((6, 5, 4), "int16")
    path = _written_by_others(read, tmp_path, array)
    found = read(path, axis=axis).toarray(squeeze=False)
    np.testing.assert_array_equal(found, np.moveaxis(array, axis, -1), strict=True)


def _written_by_others(read, folder, array):
    if read.__name__ == "fromzarr":
        path = folder / "a.zarr"
        zarr.create_array(path, data=array, chunks=(2, 3, 3), zarr_format=2)
    elif read.__name__ == "fromnpy":
        path = folder / "a.npy"
        np.save(path, np.asfortranarray(array.astype(">i2")))
    else:
        path = folder / "a.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("deep/movie", data=array.astype(">i2"), chunks=(4, 2, 4))
    return path


@pytest.mark.parametrize("write", ["tohdf5", "tozarr", "tobinary"])
def test_attrs_come_back(tmp_path, write):
    images = tl.images.fromarray(values(SHAPES[0], "uint8"))
    images.attrs = {"pixel_size": {"y": 0.5, "x": 0.5}, "frame_interval": 0.1}
    path = tmp_path / WHOLE.get(write, "folder")
    getattr(images, write)(path)
    assert IMAGES[write](path).attrs == images.attrs


def test_samples_are_read_by_the_room_of_datasets(engine, tmp_path):
    from thunderlike.datasets import ShardedReader

    array = values(SHAPES[0], "uint8")
    images = tl.images.fromarray(array, labels=list("abcdefg"), engine=engine)
    images.tomsgpack(tmp_path / "set")
    reader = ShardedReader(tmp_path / "set")
    assert len(reader) == 7
    samples = list(reader)
    assert [(sample["key"], sample["label"]) for sample in samples][:2] == [
        ("00000", "a"),
        ("00001", "b"),
    ]
    np.testing.assert_array_equal([sample["data"] for sample in samples], array)
    with pytest.raises(tl.errors.FormatError, match=r"part-0\S+.msgpack: .* no 'picture'"):
        tl.images.frommsgpack(tmp_path / "set", field="picture")


def test_several_files_go_on_one_from_the_other(engine, tmp_path):
    array = values((6, 5, 4), "uint8")
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", array[2 * number : 2 * number + 2])
    np.testing.assert_array_equal(tl.images.fromnpy(tmp_path, engine=engine).toarray(), array)
    np.testing.assert_array_equal(tl.series.fromnpy(tmp_path, engine=engine).toarray(), array)
    two = [tmp_path / "2.npy", tmp_path / "0.npy"]
    found = tl.images.fromnpy(two, engine=engine)
    np.testing.assert_array_equal(found.toarray(), array[[4, 5, 0, 1]])


@pytest.mark.spark
def test_a_part_is_a_file(spark_context, tmp_path):
    """However many blocks it has: half a million small files would be slow to read."""
    array = values((12, 6, 5), "uint8")
    with tl.config(chunk_bytes=40):  # a block is an image, or eight series
        movie = tl.images.fromarray(array, npartitions=3, engine=spark_context)
        movie.tomsgpack(tmp_path / "set")
        series = tl.series.fromarray(array.T, npartitions=3, engine=spark_context)
        series.tobinary(tmp_path / "bin")
        series.totext(tmp_path / "txt")
        tl.series.fromarray(array.T).tobinary(tmp_path / "one")
    count = {"set": "part-*.msgpack", "bin": "*.bin", "txt": "*.txt"}
    assert {name: len(list((tmp_path / name).glob(what))) for name, what in count.items()} == {
        "set": 3, "bin": 3, "txt": 3,
    }  # fmt: skip
    assert len(list((tmp_path / "one").glob("*.bin"))) == 1
    for name in ("bin", "one"):
        np.testing.assert_array_equal(tl.series.frombinary(tmp_path / name).toarray(), array.T)
    np.testing.assert_array_equal(tl.images.frommsgpack(tmp_path / "set").toarray(), array)
