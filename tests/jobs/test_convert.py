"""From any format to any other; taken up where an earlier run stopped."""

from __future__ import annotations

import itertools
import sys
from types import ModuleType

import numpy as np
import pytest
import tifffile

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import ExistsError, FormatError, NotFoundError, SpecError
from thunderlike.formats import npy
from thunderlike.formats.registry import FORMATS, Format
from thunderlike.jobs import convert as module
from thunderlike.jobs import outputs
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert, target_format

MOVIE = np.random.default_rng(1).integers(0, 250, (12, 9, 7)).astype(np.uint8)
NAMES = {"npy": "all.npy", "hdf5": "all.h5", "zarr": "all.zarr"}


def path_of(folder, to):
    return str(folder / NAMES.get(to, to))


@pytest.fixture
def movie(tmp_path):
    tifffile.imwrite(tmp_path / "movie.tif", MOVIE)
    return str(tmp_path / "movie.tif")


def test_images_through_all_formats(engine, movie, tmp_path):
    path, options = movie, {"nplanes": 1}
    for to in (name for name, known in FORMATS.items() if "images" in known.kinds):
        target = path_of(tmp_path, to)
        assert convert(look(path, **options), target, to, engine=engine, batch=5 * 63) == 0
        path, options = target, {"nplanes": 1} if to == "tif" else {}
        found = look(path, **options)
        assert (found.format, found.collection.shape) == (to, MOVIE.shape)
        np.testing.assert_array_equal(found.collection.toarray(), MOVIE)
    assert not any(p.name.startswith(".") for p in tmp_path.iterdir())


def test_series_through_all_formats(engine, tmp_path):
    np.save(tmp_path / "start.npy", MOVIE)
    path, dtype = str(tmp_path / "start.npy"), None
    for to in (name for name, known in FORMATS.items() if "series" in known.kinds):
        target = path_of(tmp_path, to)
        convert(look(path, as_series=True, dtype=dtype), target, to, engine=engine, batch=100)
        path, dtype = target, "uint8" if to == "txt" else None
        found = look(path, as_series=True, dtype=dtype).collection
        np.testing.assert_array_equal(found.toarray(), MOVIE, strict=True)


def test_looking_reads_no_values(movie, monkeypatch):
    from thunderlike.data.file_sources import FileSource

    monkeypatch.setattr(FileSource, "read", lambda *_: pytest.fail("read"))
    description = look(movie, nplanes=1).description()
    assert (description["shape"], description["dtype"], description["format"]) == (
        [12, 9, 7],
        "uint8",
        "tif",
    )


@pytest.mark.parametrize("to", ["tif", "hdf5", "msgpack", "zarr"])
def test_what_is_done_is_not_done_again(engine, movie, tmp_path, monkeypatch, to):
    target, write = path_of(tmp_path, to), outputs.each_block
    with monkeypatch.context() as patch:
        calls = itertools.count()

        def fail_at_third(*arguments):
            if next(calls) == 2:
                raise KeyboardInterrupt
            return write(*arguments)

        patch.setattr(outputs, "each_block", fail_at_third)
        with pytest.raises(KeyboardInterrupt):
            convert(look(movie, nplanes=1), target, to, engine=engine, batch=3 * 63)
    assert not storage.exists(target)
    assert convert(look(movie, nplanes=1), target, to, engine=engine, batch=3 * 63) == 2
    found = look(target, **({"nplanes": 1} if to == "tif" else {})).collection
    np.testing.assert_array_equal(found.toarray(), MOVIE)
    assert not any(p.name.startswith(".") for p in tmp_path.iterdir())


def test_another_input_begins_again(movie, tmp_path, monkeypatch):
    target = str(tmp_path / "all.npy")
    with monkeypatch.context() as patch:
        patch.setattr(module, "target_for", _failing_at_the_end)
        with pytest.raises(tl.ThunderlikeError, match="at the end"):
            convert(look(movie, nplanes=1), target, "npy", batch=63)
    tifffile.imwrite(movie, MOVIE[::-1], description="so that it has another size")
    assert convert(look(movie, nplanes=1), target, "npy", batch=63) == 0
    np.testing.assert_array_equal(np.load(target), MOVIE[::-1])


def _failing_at_the_end(to, collection):
    from thunderlike.jobs import outputs

    target = outputs.target_for(to, collection)

    def fail(*_):
        raise FormatError("at the end")

    target.finish = fail
    return target


def test_targets_are_looked_at_first(movie, tmp_path, monkeypatch):
    (tmp_path / "all.npy").write_text("thesis")
    monkeypatch.setattr(outputs, "each_block", lambda *_: pytest.fail("computed"))
    with pytest.raises(ExistsError, match=r"all\.npy"):
        convert(look(movie), str(tmp_path / "all.npy"), "npy")
    with pytest.raises(tl.ThunderlikeError, match="not written by us"):
        convert(look(movie), str(tmp_path / "all.npy"), "npy", overwrite=True)
    with pytest.raises(SpecError, match="txt files cannot hold images"):
        convert(look(movie), str(tmp_path / "out"), "txt")
    assert (tmp_path / "all.npy").read_text() == "thesis"


def test_what_cannot_be_known(tmp_path, movie):
    with pytest.raises(NotFoundError):
        look(str(tmp_path / "nothing"))
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a").write_bytes(b"12345678")
    with pytest.raises(FormatError, match="unknown format, by its name and by its first bytes"):
        look(str(tmp_path / "odd"))
    with pytest.raises(SpecError, match="dataset does not apply to tif"):
        look(movie, dataset="x")
    with pytest.raises(SpecError, match="--to"):
        target_format("folder")


def test_a_format_is_a_module_and_a_line_of_the_table(tmp_path, monkeypatch):
    toy = ModuleType("thunderlike.formats.toy")
    toy.encode = lambda array: b"TOY1" + npy.encode(array)
    toy.decode = lambda data: npy.decode(data[4:])
    monkeypatch.setitem(sys.modules, toy.__name__, toy)
    monkeypatch.setitem(FORMATS, "toy", Format("toy", ("toy", "play"), magic=(b"TOY1",)))
    movie = tl.images.fromarray(np.arange(2 * 3 * 4, dtype="i2").reshape(2, 3, 4))
    movie.totif(tmp_path / "tif")
    assert target_format("movie.play") == "toy"
    convert(look(str(tmp_path / "tif")), str(tmp_path / "toy"), "toy")
    found = look(str(tmp_path / "toy"))
    assert (found.format, found.collection.shape) == ("toy", (2, 3, 4))
    for read in (tl.images.frompath(tmp_path / "toy"), found.collection):
        np.testing.assert_array_equal(read.toarray(), movie.toarray())
    convert(found, str(tmp_path / "back"), "tif")
    np.testing.assert_array_equal(tl.images.fromtif(tmp_path / "back").toarray(), movie.toarray())
