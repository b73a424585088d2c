"""The order of files, which file a record comes from, and files that are replaced in between."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.errors import SpecError, StorageError, WrongTypeError
from thunderlike.jobs import outputs
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert

NUMBERS = (1, 2, 3, 10, 11)
TEXT, NATURAL = [1, 10, 11, 2, 3], [1, 2, 3, 10, 11]


def images_of(value):
    return tl.images.fromarray(np.full((1, 4, 3), value, "u1"))


def tif(folder, value):
    images_of(value).totif(folder / "parts", overwrite=True)
    (folder / "parts/image-00000.tif").rename(folder / f"img_{value}.tif")


def png(folder, value):
    images_of(value).topng(folder / "parts", overwrite=True)
    (folder / "parts/image-00000.png").rename(folder / f"img_{value}.png")


def raw(folder, value):
    np.full((4, 3), value, "u1").tofile(folder / f"img_{value}.bin")


def npy(folder, value):
    np.save(folder / f"img_{value}.npy", np.full((4, 3), value, "u1"))


def hdf5(folder, value):
    images_of(value).tohdf5(folder / f"img_{value}.h5")


def text(folder, value):
    (folder / f"img_{value}.txt").write_text(f"{value} {value}\n")


def rows(folder, value):
    np.full(3, value, "u1").tofile(folder / f"img_{value}.bin")


def any_file(folder, value):
    (folder / f"img_{value}.dat").write_bytes(bytes([value] * 12))


def frompath(path, **options):
    return tl.images.frompath(
        path, lambda data: np.frombuffer(data, "u1").reshape(4, 3), ext="dat", **options
    )


def fromrows(path, **options):
    return tl.series.frombinary(path, dtype="u1", shape=(5, 3), **options)


def fromraw(path, **options):
    return tl.images.frombinary(path, (4, 3), "u1", **options)


READERS = {
    "tif": (tif, tl.images.fromtif),
    "png": (png, tl.images.frompng),
    "raw": (raw, fromraw),
    "npy": (npy, tl.images.fromnpy),
    "hdf5": (hdf5, tl.images.fromhdf5),
    "path": (any_file, frompath),
    "text": (text, tl.series.fromtext),
    "rows": (rows, fromrows),
    "series of npy": (npy, tl.series.fromnpy),
    "series of hdf5": (hdf5, tl.series.fromhdf5),
}


def values(found):
    array = found.toarray(squeeze=False)
    return array.reshape(5, -1)[:, 0].tolist()


@pytest.mark.parametrize("name", READERS)
def test_files_come_in_natural_order_when_asked_for(tmp_path, name):
    write, read = READERS[name]
    for number in NUMBERS:
        write(tmp_path, number)
    with pytest.warns(UserWarning, match=r'img_10\.\w+ before img_2\.\w+; give order="natural"'):
        assert values(read(tmp_path)) == TEXT
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert values(read(tmp_path, order="text")) == TEXT
        natural = read(tmp_path, order="natural", labels="files")
        assert values(natural) == NATURAL
        if name != "rows":  # of which the shape says how many there are
            assert read(tmp_path, order="natural", start=3).toarray(squeeze=False).flat[0] == 10
    names = [f"img_{n}" for n in NATURAL]
    labels = natural.labels.reshape(5, -1)[:, 0]
    assert [str(label).partition(".")[0] for label in labels] == names
    with pytest.raises(SpecError, match="order"):
        read(tmp_path, order="random")


def test_the_warning_names_the_line_of_the_caller(tmp_path):
    for number in NUMBERS:
        raw(tmp_path, number)
    with pytest.warns(UserWarning, match="order") as caught:
        tl.images.frombinary(tmp_path, (4, 3), "u1")
    assert caught[0].filename == __file__
    options = {"file_order": "natural", "order": "F"}
    assert values(tl.images.frombinary(tmp_path, (4, 3), "u1", **options)) == NATURAL


def test_orders_that_are_one_are_not_warned_of(tmp_path):
    for name in ("a-01", "a-02", "a-10", "b-1", "b-2"):
        (tmp_path / f"{name}.bin").write_bytes(bytes(12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fromraw(tmp_path).count() == 5
        assert fromraw([tmp_path / "b-2.bin", tmp_path / "a-10.bin"]).count() == 2  # as they say


def test_commands_order_files(tmp_path):
    for number in NUMBERS:
        tif(tmp_path, number)
    found = look(str(tmp_path), order="natural")
    assert values(found.collection) == NATURAL
    assert found.description()["first"].endswith("img_1.tif")
    assert [file.path.rpartition("_")[2] for file in found.files] == [f"{n}.tif" for n in NATURAL]


def test_labels_of_files_go_along(tmp_path, engine):
    movie = np.arange(5 * 2 * 3, dtype="u2").reshape(5, 2, 3)
    for name, part in (("day1/a", movie[:2]), ("day2/a", movie[2:])):
        path = tmp_path / f"{name}.bin"
        path.parent.mkdir()
        part.tofile(path)
    options = {"nplanes": 1, "recursive": True, "labels": "files", "engine": engine}
    found = tl.images.frombinary(tmp_path, (2, 3), "u2", **options)
    assert found.labels.tolist() == ["day1/a.bin"] * 2 + ["day2/a.bin"] * 3
    assert found[1:3].labels.tolist() == ["day1/a.bin", "day2/a.bin"]
    bright = found.filter(lambda image: image.max() > 20)
    assert set(bright.labels.tolist()) == {"day2/a.bin"}
    np.testing.assert_array_equal(found.toarray(), movie)


def test_labels_of_one_file_and_of_series(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5)))
    assert tl.images.fromnpy(tmp_path / "a.npy", labels="files").labels.tolist() == ["a.npy"] * 3
    traces = tl.series.fromnpy(tmp_path / "a.npy", labels="files")
    assert traces.labels.shape == (3, 4)
    assert tl.images.fromnpy(tmp_path / "a.npy").labels is None
    tl.images.fromarray(np.zeros((3, 4, 5))).tozarr(tmp_path / "a.zarr")
    assert tl.images.fromzarr(tmp_path / "a.zarr", labels="files").labels[0] == "a.zarr"
    storage.write("memory://file-labels/b.txt", b"1 2\n3 4\n")
    assert (
        tl.series.fromtext("memory://file-labels", labels="files").labels.tolist() == ["b.txt"] * 2
    )
    storage.delete("memory://file-labels")


@pytest.mark.parametrize("name", ["a.npy", "a.zarr"])
def test_a_conversion_of_a_file_that_was_replaced_begins_again(tmp_path, name, monkeypatch):
    """Of the same path and size, half of the old one would stay."""

    def write(value):
        images = tl.images.fromarray(np.full((6, 4, 3), value, "u1"))
        (images.tonpy if name == "a.npy" else images.tozarr)(tmp_path / name, overwrite=True)

    def run():
        return convert(look(str(tmp_path / name)), str(tmp_path / "out"), "bin", batch=24)

    write(1)
    done = []
    monkeypatch.setattr(outputs, "each_block", failing(outputs.each_block, done))
    with pytest.raises(tl.ThunderlikeError, match="stopped"):
        run()
    monkeypatch.undo()
    write(2)
    assert run() == 0
    assert set(tl.images.frombinary(tmp_path / "out").toarray().ravel()) == {2}


def failing(each_block, done):
    """Stop before the second batch."""

    def checked(*args):
        done.append(args)
        if len(done) == 2:
            raise StorageError("stopped")
        return each_block(*args)

    return checked


@pytest.mark.parametrize("path", [None, 3, b"parts"])
def test_what_is_no_path(path):
    with pytest.raises(WrongTypeError, match=rf"a path is text.* or a list of these, not {path!r}"):
        tl.images.fromtif(path)


def test_labels_of_a_misspelled_word(tmp_path):
    tif(tmp_path, 1)
    with pytest.raises(SpecError, match=r"'files' for the names of their files, not 'file'"):
        tl.images.fromtif(tmp_path, labels="file")
