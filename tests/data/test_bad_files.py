"""Bad input of every format: an error of ours with the name of the file, and its cause."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import thunderlike as tl
from thunderlike.datasets import MsgpackReader
from thunderlike.errors import (
    CorruptDatasetError,
    EngineError,
    FormatError,
    NotFoundError,
    SpecError,
)

images, series = tl.images, tl.series
FRAMES = np.random.default_rng(1).integers(0, 255, (6, 12, 9)).astype(np.uint8)

MADE = {
    "tif": lambda path: tifffile.imwrite(path, FRAMES),
    "png": lambda path: Image.fromarray(FRAMES[0]).save(path),
    "npy": lambda path: np.save(path, FRAMES),
    "h5": lambda path: _hdf5(path),
    "bin": lambda path: FRAMES.tofile(path),
}
READ = {
    "tif": [images.fromtif, lambda path, **at: images.fromtif(path, nplanes=1, **at)],
    "png": [images.frompng],
    "npy": [images.fromnpy, series.fromnpy],
    "h5": [images.fromhdf5, series.fromhdf5],
    "bin": [
        lambda path, **at: images.frombinary(path, (6, 12, 9), "u1", **at),
        lambda path, **at: series.frombinary(path, shape=(6, 12, 9), dtype="u1", **at),
    ],
}
EACH = pytest.mark.parametrize(
    ("ext", "read"), [(ext, read) for ext, reads in READ.items() for read in reads]
)


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=FRAMES, chunks=(2, 6, 9), compression="gzip")


def refused(read, path, engine, match=None):
    with pytest.raises((FormatError, SpecError), match=match) as caught:
        read(path, engine=engine).toarray()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500
    return str(caught.value)


@EACH
def test_empty_files(tmp_path, ext, read):
    path = tmp_path / f"a.{ext}"
    path.write_bytes(b"")
    refused(read, path, "local", r"empty|found 0|0 series|no records|no whole")


@EACH
def test_files_cut_short(engine, tmp_path, ext, read):
    path = tmp_path / f"a.{ext}"
    MADE[ext](path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(read, path, engine)


@pytest.mark.parametrize("ext", ["tif", "png", "npy", "h5"])
def test_files_of_another_kind(tmp_path, ext):
    path = tmp_path / f"a.{ext}"
    for other in {"png", "tif", "npy"} - {ext}:
        MADE[other](tmp_path / f"made.{other}")
        path.write_bytes((tmp_path / f"made.{other}").read_bytes())
        for read in READ[ext]:
            refused(read, path, "local", r"not an? \w+ file: it (is a|begins with)")


@pytest.mark.parametrize("ext", ["tif", "npy", "h5"])
def test_the_one_that_differs_is_named(tmp_path, ext):
    for number in range(3):
        MADE[ext](tmp_path / f"{number}.{ext}")
    other = tmp_path / f"1.{ext}"
    other.unlink()
    small = FRAMES[:, :5]
    if ext == "h5":
        with h5py.File(other, "w") as file:
            file["data"] = small
    else:
        (np.save if ext == "npy" else tifffile.imwrite)(other, small)
    with pytest.raises(FormatError, match=rf"1\.{ext}: holds"):
        READ[ext][0](tmp_path).toarray()


def test_pages_of_different_size(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for height in (12, 12, 7):
            writer.write(np.zeros((height, 9), "u1"), metadata=None)
    for read in READ["tif"]:
        refused(read, tmp_path / "a.tif", "local", r"page 2 .* \(7, 9\) .* page 0 is \(12, 9\)")


def test_arrays_that_are_not_there_are_listed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/x"], file["two"] = np.zeros((2, 3, 3)), np.zeros((2, 3, 3))
        file["words"] = ["a", "b"]
    with pytest.raises(FormatError, match=r"a\.h5: .* several arrays \(/one/x, /two\)"):
        images.fromhdf5(tmp_path / "a.h5")
    with pytest.raises(FormatError, match=r"no array '/three' \(/one/x, /two\)"):
        images.fromhdf5(tmp_path / "a.h5", "three")
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("0", data=np.zeros((2, 3, 3)))
    with pytest.raises(FormatError, match=r"g\.zarr: not a Zarr .* \(0\)"):
        images.fromzarr(tmp_path / "g.zarr")
    assert images.fromzarr(tmp_path / "g.zarr", "0").shape == (2, 3, 3)


def test_a_damaged_chunk_of_zarr(tmp_path):
    images.fromarray(FRAMES).tozarr(tmp_path / "a.zarr")
    chunk = next(path for path in (tmp_path / "a.zarr" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"nonsense")
    refused(images.fromzarr, tmp_path / "a.zarr", "local", "chunk of the Zarr array cannot be read")
    with pytest.raises(NotFoundError, match="nothing: no such"):
        images.fromzarr(tmp_path / "nothing")


def test_damaged_chunks_of_hdf5(tmp_path):
    _hdf5(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        at = file["data"].id.get_chunk_info(0).byte_offset
    with (tmp_path / "a.h5").open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes(16))
    refused(images.fromhdf5, tmp_path / "a.h5", "local", "cannot be read: ")


def test_samples_cut_short(tmp_path):
    images.fromarray(FRAMES).tomsgpack(tmp_path / "set")
    (shard,) = (tmp_path / "set").glob("*.msgpack")
    shard.write_bytes(shard.read_bytes()[:300])
    for read in (images.frommsgpack, MsgpackReader):
        with pytest.raises(CorruptDatasetError, match=r"has 300 bytes, .*996: it was truncated"):
            read(shard)
    shard.with_name(shard.name + ".offsets").unlink()
    refused(images.frommsgpack, shard, "local", r"no file \.offsets")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("1 2 3\n1 2\n", "line 2 has 2 columns, line 1 has 3"),
        ("1 2\n1 x\n", "line 2: 'x' is not a number"),
        ("\xff\xfe", "not text in UTF-8"),
        ("", "holds no numbers"),
        ("# nothing\n", "holds no numbers"),
    ],
)
def test_text(tmp_path, content, cause):
    (tmp_path / "a.txt").write_bytes(content.encode("latin-1"))
    refused(series.fromtext, tmp_path / "a.txt", "local", cause)


@pytest.mark.parametrize(
    ("conf", "cause"),
    [
        ("{nonsense", "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ('{"shape": "big", "dtype": "u1"}', "a shape is a list"),
        ('{"shape": [6, 12, 9], "dtype": "word"}', "no dtype 'word'"),
    ],
)
def test_descriptions_of_nonsense(tmp_path, conf, cause):
    MADE["bin"](tmp_path / "a.bin")
    (tmp_path / "conf.json").write_text(conf)
    for read in (images.frombinary, series.frombinary):
        with pytest.raises(FormatError, match=cause) as caught:
            read(tmp_path / "a.bin")
        assert "conf.json" in str(caught.value)


@EACH
def test_nothing_that_fits(tmp_path, ext, read):
    (tmp_path / "notes.md").write_text("no data")
    with pytest.raises(NotFoundError, match=str(tmp_path)):
        read(tmp_path)
    with pytest.raises(NotFoundError, match="no such file"):
        read(tmp_path / f"missing.{ext}")


def test_more_than_memory_holds(tmp_path):
    with (tmp_path / "bomb.bin").open("wb") as file:
        file.truncate(2**43)  # of no blocks on the disk
    large = {"shape": (2**10, 2**10), "dtype": ">u2", "nplanes": 1}
    with pytest.raises(EngineError, match="not enough memory for uint16 of shape"):
        images.frombinary(tmp_path / "bomb.bin", **large, engine="local")
    movie = images.frombinary(tmp_path / "bomb.bin", **large)
    assert (movie.mode, movie[10**6].toarray().sum()) == ("disk", 0)
