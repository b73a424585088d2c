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
from thunderlike.formats.tiff import decode, decode_pages, encode, header, pages

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
        with pytest.raises(FormatError, match="truncated TIFF file: the header of page 2"):
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
from thunderlike.errors import MissingExtraError
from thunderlike.formats.tiff import decode, encode

data = sys.stdin.buffer.read()
try:
    print(decode(data).tolist())
except MissingExtraError as error:
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


# Pixels that are not as they are to be, though they stand in one piece


def retagged(data, code, kind, value):
    """Put another value of one number into a tag of the first page."""
    data = bytearray(data)
    struct.pack_into("<HHII", data, tag(data, code), code, kind, 1, value)
    return bytes(data)


def by_hand(image, pixels, **tags):
    """A page of grey values, with tags that tifffile does not write."""
    height, width = image.shape
    known = {256: width, 257: height, 258: 8 * image.itemsize, 259: 1, 262: 1, 277: 1, 278: height}
    known |= {279: len(pixels), **{int(code[1:]): value for code, value in tags.items()}}
    known[273] = 8 + 2 + 12 * (len(known) + 1) + 4
    rows = b"".join(struct.pack("<HHII", code, 4, 1, n) for code, n in sorted(known.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(known)) + rows + struct.pack("<I", 0) + pixels


def test_bits_in_reversed_order():
    image = np.arange(1, 13, dtype="<u2").reshape(3, 4)
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in image.tobytes())
    data = by_hand(image, turned, t266=2)
    np.testing.assert_array_equal(decode(data), image)
    assert without_codecs(data) == str(image.tolist())
    np.testing.assert_array_equal(decode(by_hand(image, image.tobytes(), t266=1)), image)


def test_subsampled_colours_are_refused_not_misread():
    image = np.zeros((4, 6, 3), "uint8")
    data = written(image, photometric="rgb", metadata=None)
    data = retagged(data, 262, 3, 6)  # YCbCr, which is subsampled where nothing else is said
    with pytest.raises(FormatError, match="colours are subsampled without JPEG"):
        decode(data)


def test_a_predictor_without_compression_is_as_tifffile_has_it():
    image = np.arange(12, dtype="uint8").reshape(3, 4)
    data = by_hand(image, image.tobytes(), t317=2)
    np.testing.assert_array_equal(decode(data), tifffile.imread(io.BytesIO(data)))
    assert (decode(data) != image).any()


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
def test_fewer_bits_than_numbers_have(bits):
    image = (MOVIE[:2] % 2**bits).astype("uint16" if bits > 8 else "uint8")
    data = written(image, bitspersample=bits, metadata=None)
    np.testing.assert_array_equal(decode(data), image)
    assert f"{bits} bits a pixel" in without_codecs(data)


@pytest.mark.parametrize("dtype", ["f2", "f8", "c8", "c16", "i1", "u8", "?"])
@pytest.mark.parametrize("order", "<>")
def test_every_dtype_without_imagecodecs(dtype, order):
    image = np.arange(6).reshape(2, 3).astype(dtype)
    data = written(image, byteorder=order, metadata=None)
    np.testing.assert_array_equal(decode(data), image, strict=True)
    if order == "<":
        assert without_codecs(data) == str(image.tolist())


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_inks(planar):
    image = np.random.default_rng(3).integers(0, 255, (2, 6, 8, 4)).astype("uint8")
    stored = image if planar == "contig" else np.moveaxis(image, -1, 1)
    data = written(stored, photometric="separated", planarconfig=planar, metadata=None)
    np.testing.assert_array_equal(decode(data), image)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"compression": "zstd"}, "compression ZSTD: "),
        ({"compression": "zstd", "predictor": True}, "compression ZSTD with predictor 2: "),
        ({"compression": "lerc"}, "compression LERC: "),
        ({"compression": "jpeg2000"}, "compression JPEG2000: "),
        ({"compression": "png"}, "compression PNG: "),
    ],
    ids=str,
)
def test_every_codec_that_is_missing_names_the_extra(options, said):
    found = without_codecs(written(MOVIE[0, :16, :16].astype("u1"), **options))
    assert said in found
    assert "pip install 'thunderlike[codecs]'" in found


EVERY_ROOM = """
import sys
sys.modules["imagecodecs"] = None
import numpy as np
import thunderlike as tl
from thunderlike.cli import main
from thunderlike.datasets import images
from thunderlike.errors import MissingExtraError

path = sys.argv[1]
for read in (
    lambda: tl.images.fromtif(path),
    lambda: tl.images.frompath(path),
    lambda: tl.arrays.read(path),
    lambda: tl.arrays.block_sums(path, blocks=1),
    lambda: images.raster(open(path, "rb").read(), "u2"),
):
    try:
        print("value", read())
    except MissingExtraError as error:
        assert "pip install 'thunderlike[codecs]'" in str(error), error
assert main(["convert", path, path + ".npy"]) == 2
"""


def test_every_room_names_the_extra(tmp_path):
    (tmp_path / "a.tif").write_bytes(written(MOVIE[0], compression="zstd", metadata=None))
    command = [sys.executable, "-c", EVERY_ROOM, str(tmp_path / "a.tif")]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    assert run.stdout == ""
    assert "pip install 'thunderlike[codecs]'" in run.stderr


def test_how_a_page_is_shown_is_kept_and_its_pixels_are_as_stored():
    for photometric, expected in (
        ("miniswhite", {"photometric": "miniswhite"}),
        ("minisblack", {}),
    ):
        stream = io.BytesIO(written(MOVIE[0], photometric=photometric, metadata=None))
        found = pages.index(stream).attrs
        assert {name: found[name] for name in found if name == "photometric"} == expected
        np.testing.assert_array_equal(decode(stream.getvalue()), MOVIE[0])
