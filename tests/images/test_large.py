"""Large files: read in parts, into place, and no more of them than is asked for."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike.errors import FormatError, SpecError, StorageError
from thunderlike.storage import Entry, memory
from thunderlike.storage.local import LocalStore
from thunderlike.storage.memory import MemoryStore

MOVIE = np.random.default_rng(1).integers(0, 4000, (40, 64, 64)).astype(np.uint16)


@pytest.fixture
def read(monkeypatch):
    """Bytes that were read from memory:// addresses."""
    counted = []

    def counting(self, path, start, length):
        found = memory._files[path][start : start + length]
        counted.append(len(found))
        return found

    monkeypatch.setattr(MemoryStore, "read_range", counting)

    def size(self, path):
        return Entry(path, len(memory._files[path]))

    monkeypatch.setattr(MemoryStore, "stat", size)
    monkeypatch.setattr(MemoryStore, "read", lambda self, path: pytest.fail(f"{path} read whole"))
    yield counted
    MemoryStore().delete("memory://large")


def stored(address, array, tmp_path, **options):
    path = tmp_path / "made.tif"
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    MemoryStore().write(address, path.read_bytes())


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"compression": "deflate"}], ids=str)
def test_only_the_pages_asked_for_are_read(tmp_path, read, options):
    from thunderlike.formats import tiff
    from thunderlike.storage._open import open_file

    movie = np.repeat(np.repeat(MOVIE, 4, 1), 4, 2)  # pages of 128 KiB
    stored("memory://large/movie.tif", movie, tmp_path, **options)
    with open_file("memory://large/movie.tif") as stream:
        where = tiff.pages.index(stream).part(10, 14)
    # Headers, by blocks of 16 KiB; the small pages between those of the packed file are read over.
    assert sum(read) < movie.nbytes / (1 if "compression" in options else 4)
    read.clear()
    with open_file("memory://large/movie.tif", where.span(10, 14)) as stream:
        pages = tiff.pages.read(stream, where, 10, 14)
    np.testing.assert_array_equal(pages, movie[10:14])
    assert sum(read) < pages.nbytes + 6 * 2**14


def test_a_task_knows_of_its_own_pages_alone():
    from thunderlike.data.file_sources import FileSource
    from thunderlike.formats.tiff.pages import Index
    from thunderlike.images.readers import TiffPlanes
    from thunderlike.storage import Entry

    dtype = np.dtype("u2")
    where = Index((4, 4), dtype, 100, np.arange(100), None, dtype)
    source = FileSource.of(
        [Entry("a.tif", 0)], [50], (2, 4, 4), dtype, TiffPlanes(2, {"a.tif": where})
    )
    part = source.part(10, 12).load.indexes["a.tif"]
    assert part.headers.tolist() == [19, 20, 21, 22, 23, 24]  # and where its neighbours are
    assert part.first == 19


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "lzw"},
        {"imagej": True},
        {"ome": True},
        {"rowsperstrip": 7, "compression": "deflate", "predictor": True},
        {"tile": (16, 16)},
    ],
    ids=str,
)
@pytest.mark.parametrize("nplanes", [1, 4])
def test_one_file_in_many_pieces(tmp_path, options, nplanes):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, photometric="minisblack", **options)
    images = tl.images.fromtif(tmp_path / "movie.tif", nplanes=nplanes)
    expected = MOVIE if nplanes == 1 else MOVIE.reshape(10, 4, 64, 64)
    np.testing.assert_array_equal(images.toarray(), expected, strict=True)


def test_one_compressed_file_in_many_tasks(engine, tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE, compression="lzw", photometric="minisblack")
    images = tl.images.fromtif(tmp_path / "movie.tif", nplanes=4, engine=engine)
    np.testing.assert_array_equal(images.toarray(), MOVIE.reshape(10, 4, 64, 64))


def test_one_header_for_all_pages_as_imagej_writes_large_files(engine, tmp_path):
    with tifffile.TiffWriter(tmp_path / "large.tif", imagej=True) as writer:
        writer.write(MOVIE, contiguous=True, metadata={"axes": "TYX"})
    with tifffile.TiffWriter(tmp_path / "cut.tif", shaped=True) as writer:
        writer.write(MOVIE, truncate=True)
    for name in ("large.tif", "cut.tif"):
        images = tl.images.fromtif(tmp_path / name, nplanes=1, engine=engine)
        np.testing.assert_array_equal(images.toarray(), MOVIE)


def test_pages_that_make_no_whole_image(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE)
    with pytest.raises(SpecError, match=r"movie.tif: 40 pages .* of 3"):
        tl.images.fromtif(tmp_path, nplanes=3)
    with pytest.warns(UserWarning, match="the last 1 pages"):
        images = tl.images.fromtif(tmp_path, nplanes=3, discard_extra=True)
    assert images.shape == (13, 3, 64, 64)


def test_what_the_file_tells_is_in_attrs_and_is_written_back(engine, tmp_path):
    tifffile.imwrite(
        tmp_path / "ome.tif",
        MOVIE[:6],
        ome=True,
        metadata={
            "axes": "TYX",
            "PhysicalSizeX": 0.5,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 500,
            "PhysicalSizeYUnit": "nm",
            "TimeIncrement": 0.1,
            "Plane": {"DeltaT": [0.1 * t for t in range(6)]},
        },
    )
    images = tl.images.fromtif(tmp_path / "ome.tif", nplanes=1, engine=engine)
    assert images.attrs["pixel_size"] == {"y": 0.5, "x": 0.5}
    assert images.attrs["frame_interval"] == 0.1
    assert len(images.attrs["frame_times"]) == 6
    assert "<OME" in images.attrs["ome"]
    assert "pixel_size" not in images.subsample(2).attrs
    assert "frame_times" not in images[:3].attrs
    images.map(np.copy).totif(tmp_path / "out")
    assert tl.images.fromtif(tmp_path / "out").attrs["pixel_size"] == {"y": 0.5, "x": 0.5}


# flat binary


def test_a_raw_file_is_mapped_and_not_read(tmp_path, monkeypatch):
    MOVIE.tofile(tmp_path / "movie.bin")
    for verb in ("read", "read_range", "open"):
        monkeypatch.setattr(LocalStore, verb, _unless_conf(getattr(LocalStore, verb)))
    images = tl.images.frombinary(tmp_path / "movie.bin", (64, 64), "uint16", nplanes=1)
    np.testing.assert_array_equal(images.toarray(), MOVIE)
    series = tl.series.frombinary(tmp_path / "movie.bin", dtype="uint16", shape=(40, 64, 64))
    np.testing.assert_array_equal(series.toarray(), MOVIE)
    images.values[0] = 0  # in memory alone
    np.testing.assert_array_equal(np.fromfile(tmp_path / "movie.bin", "u2"), MOVIE.ravel())


def _unless_conf(read):
    def checked(self, path, *rest):
        assert path.endswith("conf.json"), path
        return read(self, path, *rest)

    return checked


@pytest.mark.parametrize("nplanes", [1, 5])
@pytest.mark.parametrize("stored", ["<u2", ">u2"])
def test_movies_of_frames(engine, tmp_path, nplanes, stored):
    for number in range(2):
        MOVIE[number * 20 : number * 20 + 20].astype(stored).tofile(tmp_path / f"{number}.bin")
    images = tl.images.frombinary(tmp_path, (64, 64), stored, nplanes=nplanes, engine=engine)
    expected = MOVIE if nplanes == 1 else MOVIE.reshape(8, 5, 64, 64)
    np.testing.assert_array_equal(images.toarray(), expected, strict=True)


def test_frames_that_make_no_whole_image(tmp_path):
    MOVIE[:7].tofile(tmp_path / "a.bin")
    with pytest.raises(FormatError, match=r"a.bin: .* not a multiple of 16384, the bytes of one"):
        tl.images.frombinary(tmp_path, (64, 64), "uint16", nplanes=2)


@pytest.mark.parametrize("read", [tl.images.frombinary, tl.series.frombinary])
def test_a_description_without_a_shape_is_not_called_missing(tmp_path, read):
    (tmp_path / "a.bin").write_bytes(bytes(8))
    with pytest.raises(SpecError, match=f"{tmp_path}: no conf.json found: give"):
        read(tmp_path)
    (tmp_path / "conf.json").write_text('{"dtype": "int16"}')
    with pytest.raises(SpecError, match=f"{tmp_path}: conf.json says no shape: give shape="):
        read(tmp_path)


def test_files_of_this_process_reach_the_workers(engine):
    try:
        for number, frame in enumerate(MOVIE[:3]):
            MemoryStore().write(f"memory://large/{number}.bin", frame.tobytes())
        images = tl.images.frombinary("memory://large", (64, 64), "uint16", engine=engine)
        np.testing.assert_array_equal(images.toarray(), MOVIE[:3])
    finally:
        MemoryStore().delete("memory://large")


def test_a_file_that_shrinks_after_it_was_found_is_named(engine, tmp_path):
    for number in range(3):
        MOVIE[number].tofile(tmp_path / f"{number}.bin")
    if not engine.lazy:
        pytest.skip("it is read at once")
    images = tl.images.frombinary(tmp_path, (64, 64), "uint16", engine=engine)
    os.truncate(tmp_path / "1.bin", 100)
    with pytest.raises(StorageError, match=r"1.bin: was replaced while it was read"):
        images.toarray()
