from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError, NotFound, SpecError
from thunderlike.formats import png, tiff
from thunderlike.jobs.movies import find_movie


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(0, 999, (7, 5, 6)).astype(np.uint16)


@pytest.fixture
def movie(tmp_path, array):
    """Write the array in a format; gives the folder."""

    def write(format):
        images, path = tl.images.fromarray(array), tmp_path / "movie"
        {"tiff": images.totif, "png": images.topng, "binary": images.tobinary}[format](path)
        return path

    return write


@pytest.mark.parametrize("format", ["tiff", "png", "binary"])
def test_the_format_is_told_by_what_is_there(engine, movie, array, format):
    found = find_movie(movie(format))
    assert (found.format, found.files) == (format, 7)
    assert (found.spec.count, found.spec.shape, found.spec.dtype) == (7, (5, 6), np.uint16)
    np.testing.assert_array_equal(found.images(engine).toarray(), array, strict=True)


def test_nothing_but_the_first_header_is_read(movie):
    path = movie("tiff")
    (path / "image-00004.tif").write_bytes(b"II*\0 and then damage")
    assert find_movie(path).spec.count == 7


def test_files_are_told_by_their_bytes_not_their_name(tmp_path, array):
    for number, image in enumerate(array):
        (tmp_path / f"{number}.bin").write_bytes(tiff.encode(image))
    found = find_movie(tmp_path)
    assert found.format == "tiff"
    np.testing.assert_array_equal(found.images().toarray(), array)


def test_fortran_order_is_passed_on(tmp_path, array):
    for number, image in enumerate(array):
        (tmp_path / f"{number}.bin").write_bytes(image.tobytes(order="F"))
    (tmp_path / "conf.json").write_text('{"dims": [5, 6], "dtype": "uint16"}')
    np.testing.assert_array_equal(find_movie(tmp_path, order="F").images().toarray(), array)


def test_some_of_the_files(movie, array):
    found = find_movie(movie("tiff"), start=2, stop=-1)
    assert (found.spec.count, found.files) == (4, 7)
    np.testing.assert_array_equal(found.images().toarray(), array[2:-1])


def test_a_movie_in_one_file(tmp_path, array):
    path = tmp_path / "movie.tif"
    path.write_bytes(tiff.encode(array))
    assert find_movie(path).spec.shape == (7, 5, 6)
    found = find_movie(path, nplanes=1)
    assert (found.spec.count, found.spec.shape) == (7, (5, 6))
    np.testing.assert_array_equal(found.images().toarray(), array)


def test_a_pattern(movie):
    found = find_movie(movie("png") / "image-0000?.png")
    assert (found.format, found.spec.count) == ("png", 7)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotFound, match="nowhere: no such file or folder"):
        find_movie(tmp_path / "nowhere")


def test_a_folder_of_other_files_says_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NotFound, match=r"no file here ends in \.tif.*'notes\.txt'"):
        find_movie(tmp_path)


def test_flat_binary_without_a_description_says_what_to_write(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(8))
    with pytest.raises(FormatError, match=r"a\.bin: neither TIFF nor PNG.*write a conf\.json"):
        find_movie(tmp_path)


def test_a_known_format_that_is_no_movie_is_named(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(FormatError, match=r"a\.npy: neither TIFF nor PNG, and is npy"):
        find_movie(tmp_path / "a.npy")


def test_a_truncated_flat_file_is_found_without_reading(movie):
    path = movie("binary")
    (path / "image-00003.bin").write_bytes(bytes(10))
    with pytest.raises(FormatError, match=r"image-00003\.bin: expected 60 bytes.*found 10"):
        find_movie(path)


def test_colours_are_not_taken_for_planes(tmp_path):
    (tmp_path / "a.png").write_bytes(png.encode(np.zeros((5, 6, 3), np.uint8)))
    with pytest.raises(SpecError, match=r"a\.png: a picture in colour"):
        find_movie(tmp_path)
