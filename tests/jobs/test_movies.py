"""Movies are found in files of any format that holds images."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError, NotFoundError, SpecError
from thunderlike.formats import png, tiff
from thunderlike.jobs.movies import find_movie


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(0, 999, (7, 5, 6)).astype(np.uint16)


@pytest.fixture
def movie(tmp_path, array):
    """Write the array in a format; gives the folder or file."""

    def write(format):
        images, path = tl.images.fromarray(array), tmp_path / "movie"
        write = {
            "tif": images.totif, "png": images.topng, "bin": images.tobinary,
            "msgpack": images.tomsgpack,
        }  # fmt: skip
        one = {"npy": images.tonpy, "hdf5": images.tohdf5, "zarr": images.tozarr}
        path = path if format in write else path.with_suffix(f".{format}")
        (write | one)[format](path)
        return path

    return write


@pytest.mark.parametrize("format", ["tif", "png", "bin", "msgpack", "npy", "hdf5", "zarr"])
def test_the_format_is_found_by_the_files(movie, array, format):
    found = find_movie(movie(format))
    assert found.format == format
    assert (found.source.spec.count, found.source.spec.shape) == (7, (5, 6))
    np.testing.assert_array_equal(found.collection.toarray(), array, strict=True)


def test_nothing_but_the_first_header_is_read(movie):
    path = movie("tif")
    (path / "image-00004.tif").write_bytes(b"II*\0 and then damage")
    assert find_movie(path).collection.count() == 7


def test_files_of_another_name(tmp_path, array):
    for number, image in enumerate(array):
        (tmp_path / f"{number}.bin").write_bytes(tiff.encode(image))
    found = find_movie(tmp_path, format="tif")
    np.testing.assert_array_equal(found.collection.toarray(), array)


def test_options_are_passed_on(tmp_path, array):
    for number, image in enumerate(array):
        (tmp_path / f"{number}.bin").write_bytes(image.tobytes(order="F"))
    found = find_movie(tmp_path, order="F", shape=(5, 6), dtype="uint16")
    np.testing.assert_array_equal(found.collection.toarray(), array)


def test_some_of_the_files(movie, array):
    found = find_movie(movie("tif"), start=2, stop=-1)
    assert (found.collection.count(), len(found.files)) == (4, 7)
    np.testing.assert_array_equal(found.collection.toarray(), array[2:-1])


def test_a_movie_in_one_file(tmp_path, array):
    path = tmp_path / "movie.tif"
    path.write_bytes(tiff.encode(array))
    assert find_movie(path).source.spec.shape == (7, 5, 6)
    assert find_movie(path, nplanes=1).collection.shape == (7, 5, 6)


def test_a_pattern(movie):
    found = find_movie(movie("png") / "image-0000?.png")
    assert (found.format, found.collection.count()) == ("png", 7)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotFoundError, match="nowhere: no such file or folder"):
        find_movie(tmp_path / "nowhere")


def test_files_that_hold_series_are_no_movie(tmp_path):
    (tmp_path / "notes.txt").write_text("1 2 3\n4 5 6\n")
    with pytest.raises(SpecError, match="txt files hold series; a movie needs images"):
        find_movie(tmp_path)


def test_a_truncated_flat_file_is_found_without_reading(movie):
    path = movie("bin")
    (path / "image-00003.bin").write_bytes(bytes(10))
    with pytest.raises(FormatError, match=r"image-00003\.bin: expected 60 bytes.*found 10"):
        find_movie(path)


def test_colours_are_not_taken_for_planes(tmp_path):
    (tmp_path / "a.png").write_bytes(png.encode(np.zeros((5, 6, 3), np.uint8)))
    with pytest.raises(SpecError, match=r"a\.png: a picture in colour"):
        find_movie(tmp_path)
