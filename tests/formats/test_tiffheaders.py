"""Headers that are read at a glance tell what tifffile tells, or nothing."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile

from thunderlike.errors import FormatError
from thunderlike.formats.tiff import pages
from thunderlike.formats.tiff.headers import Kind, Plain

MOVIE = np.random.default_rng(0).integers(0, 4000, (5, 24, 40)).astype("uint16")


def written(*arrays, bigtiff=False, byteorder="<", **options):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=bigtiff, byteorder=byteorder) as tiff:
        for array in arrays:
            tiff.write(array, **{"photometric": "minisblack", **options})
    stream.seek(0)
    return stream


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize(
    "options",
    [{}, {"metadata": None}, {"rowsperstrip": 7}, {"description": "stage", "metadata": None}],
    ids=str,
)
def test_begins_where_tifffile_says(bigtiff, byteorder, options):
    stream = written(*MOVIE, bigtiff=bigtiff, byteorder=byteorder, **options)
    where = pages.index(stream)
    assert where.plain is not None
    found = [where.plain.pixels(stream, int(at)) for at in where.headers]
    stream.seek(0)
    with tifffile.TiffFile(stream) as tiff:
        assert found == [page.dataoffsets[0] for page in tiff.pages]


@pytest.mark.parametrize(
    "other",
    [
        {"compression": "deflate"},
        {"tile": (16, 16)},
        {"rowsperstrip": 5},
        {"predictor": True, "compression": "deflate"},
    ],
    ids=str,
)
def test_a_page_stored_otherwise_is_left_to_tifffile(other):
    plain, odd = written(MOVIE[0], metadata=None), written(MOVIE[0], metadata=None, **other)
    where = pages.index(plain)
    header = int(pages.index(odd).headers[0])
    assert where.plain.pixels(odd, header) is None
    np.testing.assert_array_equal(pages.read(odd, pages.index_like(odd, where), 0, 1), MOVIE[:1])


def test_pages_of_several_kinds_in_one_file():
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        for page, packing in zip(MOVIE, (None, "deflate", None, None, "packbits"), strict=True):
            tiff.write(page, metadata=None, compression=packing, photometric="minisblack")
    where = pages.index(stream)
    np.testing.assert_array_equal(pages.read(stream, where, 0, 5), MOVIE)
    np.testing.assert_array_equal(pages.read(stream, where.part(2, 4), 2, 4), MOVIE[2:4])


def test_a_file_whose_one_header_stands_for_many_is_not_like_one_with_one_page():
    one = written(MOVIE[0])
    stack = io.BytesIO()
    tifffile.imwrite(stack, MOVIE, imagej=True)
    stack.seek(0)
    # ImageJ cuts off all headers but the first of a large stack.
    raw = bytearray(stack.getvalue())
    with tifffile.TiffFile(stack) as tiff:
        first = tiff.pages.first
        at = first.offset + 2 + 12 * len(first.tags)
    raw[at : at + 4] = bytes(4)
    large = io.BytesIO(bytes(raw))
    where = pages.index_like(large, pages.index(one))
    assert where.pages == len(MOVIE)
    np.testing.assert_array_equal(pages.read(large, where, 0, 5), MOVIE)


def test_descriptions_may_differ():
    first, second = (written(MOVIE[i], description=f"t={i}", metadata=None) for i in (0, 1))
    where = pages.index(first)
    assert where.plain.pixels(second, int(where.headers[0]), first=True) is not None


@pytest.mark.parametrize("count", [0xFFFFFFFF, 2**25, 3])
def test_what_a_damaged_header_claims_is_not_believed(count):
    data = bytearray(written(MOVIE[0], rowsperstrip=7, metadata=None).getvalue())
    where = pages.index(io.BytesIO(bytes(data)))
    kind = Kind("<", big=False)
    tags = dict(kind.tags(io.BytesIO(bytes(data)), int(where.headers[0])))
    strips = struct.pack("<HH", 273, tags[273][0])
    at = bytes(data).index(strips) + 4
    data[at : at + 4] = struct.pack("<I", count)
    assert where.plain.pixels(io.BytesIO(bytes(data)), int(where.headers[0])) is None


def test_no_strips_no_pattern():
    stream = written(MOVIE[0], tile=(16, 16), metadata=None)
    assert Plain.of(stream, Kind("<", big=False), 8) is None


def one_page(value, **options):
    return written(np.full((30, 40), value, "uint16"), **options).getvalue()


def read_like(stream, first):
    return pages.read(stream, pages.index_like(stream, first), 0, 1)


def test_a_file_with_the_same_around_its_pixels_is_read_without_parsing(monkeypatch):
    first = pages.index(io.BytesIO(one_page(1)))
    monkeypatch.setattr(pages, "chain", None)  # nothing may be followed
    assert (read_like(io.BytesIO(one_page(2)), first) == 2).all()


@pytest.mark.parametrize("cut", [1, 100, 3000])
def test_a_file_that_was_cut_short_is_not_like_the_first(cut):
    data = one_page(1)
    first = pages.index(io.BytesIO(data))
    with pytest.raises(FormatError):
        read_like(io.BytesIO(data[:-cut]), first)


def test_a_file_of_the_same_size_may_be_another():
    first = pages.index(io.BytesIO(one_page(1, description="abc", metadata=None)))
    other = io.BytesIO(one_page(7, description="xyz", metadata=None))
    assert not first.frame.fits(other)
    assert (read_like(other, first) == 7).all()
