"""TIFF as the microscopes of this world write it."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.tiff import decode, decode_pages, encode, header

MOVIE = np.random.default_rng(0).integers(0, 4000, (5, 24, 40)).astype("uint16")


def written(array, **options):
    """A file as tifffile writes it."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **{"photometric": "minisblack", **options})
    return stream.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "lzw"},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">"},
        {"rowsperstrip": 7},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "deflate"},
        {"imagej": True},
        {"ome": True},
        {"metadata": {"axes": "TYX"}},
        {"description": "stage at 3 um", "metadata": None},
    ],
    ids=str,
)
def test_reads_every_layout(options, capfd):
    data = written(MOVIE, **options)
    decoded = decode(data)
    np.testing.assert_array_equal(decoded, MOVIE)
    assert (decoded.dtype, decoded.dtype.isnative) == (MOVIE.dtype, True)
    assert header(data).whole == MOVIE.shape
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("start", "stop"),
    [(None, None), (0, 1), (1, 3), (-2, None), (4, 99), (3, 3), (0, 0), (None, -4)],
)
def test_a_range_of_pages_keeps_the_page_axis(start, stop):
    pages = decode_pages(encode(MOVIE), start, stop)
    np.testing.assert_array_equal(pages, MOVIE[start:stop])
    assert pages.dtype == MOVIE.dtype


def test_a_single_page_has_no_page_axis():
    assert decode(encode(MOVIE[:1])).shape == (24, 40)
    assert decode_pages(encode(MOVIE[0])).shape == (1, 24, 40)


def test_only_the_pages_asked_for_are_decoded(monkeypatch):
    numbers = []
    asarray = tifffile.TiffPage.asarray

    def spy(self, **options):
        numbers.append(self.index)
        return asarray(self, **options)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", spy)
    data = written(MOVIE, compression="deflate", metadata=None)
    decode_pages(data, 1, 3)
    assert numbers == [1, 2]
    header(data)
    assert numbers == [1, 2]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("pages", [1, 3])
def test_colours_are_the_last_axis(planar, pages):
    image = np.random.default_rng(1).integers(0, 255, (pages, 6, 8, 3)).astype("uint8")
    stored = np.moveaxis(image, -1, 1) if planar == "separate" else image
    data = written(stored, photometric="rgb", planarconfig=planar)
    expected = image[0] if pages == 1 else image
    np.testing.assert_array_equal(decode(data), expected)
    assert header(data).whole == expected.shape
    assert header(data).pages == pages


@pytest.mark.parametrize("last", [3, 4])
def test_narrow_pages_are_not_taken_for_colours(last):
    array = np.arange(5 * 6 * last, dtype="uint8").reshape(5, 6, last)
    assert header(encode(array)).pages == 5
    np.testing.assert_array_equal(decode(encode(array)), array)


def test_written_plainly():
    with tifffile.TiffFile(io.BytesIO(encode(MOVIE))) as tiff:
        names = {tag.name for page in tiff.pages for tag in page.tags}
        assert {page.compression for page in tiff.pages} == {1}
    assert not names & {"Software", "DateTime", "ImageDescription"}


@pytest.mark.parametrize("shape", [(3,), (), (2, 3, 4, 5), (0, 3), (2, 0, 3)])
def test_shapes_that_are_no_pages(shape):
    with pytest.raises(SpecError, match="pages"):
        encode(np.zeros(shape))


def test_a_dtype_without_a_code():
    with pytest.raises(SpecError, match="astype"):
        encode(np.zeros((2, 2), np.longdouble))


def test_pages_of_different_size_are_named():
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for shape in ((4, 5), (4, 5), (6, 5)):
            writer.write(np.zeros(shape, "uint8"), metadata=None)
    with pytest.raises(FormatError, match=r"page 2 .* is \(6, 5\) uint8, page 0 is \(4, 5\)"):
        decode(stream.getvalue())
    assert decode_pages(stream.getvalue(), stop=2).shape == (2, 4, 5)


@pytest.mark.parametrize("compression", [None, "packbits", "deflate", "lzw"])
def test_a_movie_cut_short_is_refused_or_whole(compression, capfd):
    """Never fewer pages, never a page half empty; the last bytes may be tags that nobody needs."""
    movie = MOVIE[:, :6, :7]
    data = written(movie, compression=compression, metadata=None)
    for length in range(0, len(data) - 16, 3):
        with pytest.raises(FormatError):
            decode(data[:length])
    for length in range(len(data) - 16, len(data)):
        with contextlib.suppress(FormatError):
            np.testing.assert_array_equal(decode(data[:length]), movie)
    assert capfd.readouterr() == ("", "")


def chain_of(data):
    """Where the links between the pages of a classic little-endian file stand."""
    at, places = 4, []
    while offset := struct.unpack_from("<I", data, at)[0]:
        at = offset + 2 + 12 * struct.unpack_from("<H", data, offset)[0]
        places.append(at)
    return places


def test_a_movie_whose_chain_of_pages_breaks_is_not_a_shorter_movie():
    data = bytearray(encode(MOVIE))
    struct.pack_into("<I", data, chain_of(data)[1], len(data) + 10)
    for call in (header, decode):
        with pytest.raises(FormatError, match="cut short: the header of page 2"):
            call(bytes(data))


def test_a_chain_that_bites_its_tail_is_refused():
    data = bytearray(encode(MOVIE))
    struct.pack_into("<I", data, chain_of(data)[-1], struct.unpack_from("<I", data, 4)[0])
    with pytest.raises(FormatError, match="page 5 leads back"):
        decode(bytes(data))


def tag(data, code):
    """Where the tag of that code stands in the first page's header."""
    first = struct.unpack_from("<I", data, 4)[0]
    codes = [struct.unpack_from("<H", data, first + 2 + 12 * place)[0] for place in range(12)]
    return first + 2 + 12 * codes.index(code)


def test_no_pages_at_all():
    with pytest.raises(FormatError, match="no pages"):
        decode(b"II*\0" + bytes(4))


def test_a_page_that_claims_more_than_memory_is_refused():
    data = bytearray(encode(MOVIE[0]))
    for code in (256, 257):  # width and height
        struct.pack_into("<HHII", data, tag(data, code), code, 4, 1, 2**31 - 1)
    with pytest.raises(FormatError):
        decode(bytes(data))


def test_bits_that_no_dtype_holds_are_refused():
    data = bytearray(encode(MOVIE[0]))
    struct.pack_into("<HHIHH", data, tag(data, 258), 258, 3, 1, 77, 0)  # bits a pixel
    for call in (header, decode):
        with pytest.raises(FormatError, match="77 bits"):
            call(bytes(data))


def test_an_unknown_compression_is_named():
    data = bytearray(encode(MOVIE[0]))
    struct.pack_into("<HHIHH", data, tag(data, 259), 259, 3, 1, 4321, 0)  # compression
    with pytest.raises(
        FormatError, match=r"no decoder for TIFF pages of 16 bits .* compression 4321"
    ):
        decode(bytes(data))


WITHOUT_CODECS = """
import sys
sys.modules["imagecodecs"] = None
import numpy as np
from thunderlike.errors import MissingExtra
from thunderlike.formats.tiff import decode, encode

data = sys.stdin.buffer.read()
try:
    print(decode(data).tolist())
except MissingExtra as error:
    print(error)
"""


def without_codecs(data):
    command = [sys.executable, "-c", WITHOUT_CODECS]
    run = subprocess.run(command, input=data, capture_output=True, check=True)
    assert run.stderr == b""
    return run.stdout.decode().strip()


def test_compression_that_needs_imagecodecs_says_what_to_install():
    said = without_codecs(written(MOVIE, compression="lzw"))
    assert said.startswith("TIFF pages of 16 bits a pixel and compression LZW: ")
    assert "pip install 'thunderlike[codecs]'" in said


def test_packed_pixels_need_imagecodecs():
    """12 bits a pixel, as cameras write them: two pixels in three bytes."""
    data = bytearray(written(np.zeros((1, 3), "uint8"), metadata=None))
    for code, value in [(256, 2), (258, 12)]:
        struct.pack_into("<HHIHH", data, tag(data, code), code, 3, 1, value, 0)
    start = struct.unpack_from("<I", data, tag(data, 273) + 8)[0]
    data[start : start + 3] = b"\xab\xc1\x23"
    np.testing.assert_array_equal(decode(bytes(data)), [[0xABC, 0x123]])
    assert "12 bits" in without_codecs(bytes(data))


@pytest.mark.parametrize("compression", [None, "packbits", "deflate"])
def test_common_compressions_need_no_imagecodecs(compression):
    image = MOVIE[0, :3, :4].astype("uint8")
    assert without_codecs(written(image, compression=compression)) == str(image.tolist())


def test_bits_are_written_and_read_without_imagecodecs():
    image = MOVIE[0, :3, :9] > 2000
    assert without_codecs(encode(image)) == str(image.tolist())


def test_what_tifffile_logs_is_heard_by_who_listens(caplog):
    data = bytearray(encode(MOVIE[0]))
    struct.pack_into("<H", data, tag(data, 282) + 2, 99)  # a resolution of no known type
    decode(bytes(data))
    assert {record.name for record in caplog.records} == {"tifffile"}
