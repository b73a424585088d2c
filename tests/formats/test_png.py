"""PNG of every depth and colour."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.png import decode, encode, header

RNG = np.random.default_rng(0)


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def built(width, height, depth, colour, rows, extra=b""):
    """A file made by hand: `rows` is the packed bytes of each row."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + extra + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("depth", "row", "expected"),
    [
        (1, b"\xa0", np.array([[True, False, True]])),
        (2, b"\x6c", np.array([[85, 170, 255]], "uint8")),
        (4, b"\x0f\x10", np.array([[0, 255, 17]], "uint8")),
        (8, b"\x00\x07\xff", np.array([[0, 7, 255]], "uint8")),
        (16, b"\x00\x01\x01\x00\xff\xff", np.array([[1, 256, 65535]], "uint16")),
    ],
)
def test_grey_of_every_depth(depth, row, expected):
    data = built(3, 1, depth, 0, [row])
    decoded = decode(data)
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.dtype == expected.dtype == header(data).dtype
    assert header(data).whole == expected.shape


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("colour", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_colour_and_alpha_of_every_depth(depth, colour, samples):
    dtype = f">u{depth // 8}"
    image = RNG.integers(0, 2**depth, (4, 5, samples)).astype(dtype)
    data = built(5, 4, depth, colour, [row.tobytes() for row in image])
    decoded = decode(data)
    np.testing.assert_array_equal(decoded, image)
    assert (header(data).whole, header(data).dtype) == (image.shape, decoded.dtype)
    assert decoded.dtype == f"uint{depth}"


@pytest.mark.parametrize("transparent", [b"", chunk(b"tRNS", b"\x00\x80")])
@pytest.mark.parametrize(("depth", "row"), [(1, b"\x40"), (8, b"\x00\x01")])
def test_a_palette_becomes_its_colours(depth, row, transparent):
    palette = chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    data = built(2, 1, depth, 3, [row], palette + transparent)
    np.testing.assert_array_equal(decode(data), [[[10, 20, 30], [40, 50, 60]]])
    assert header(data).whole == (1, 2, 3)
    assert decode(data).flags.c_contiguous


@pytest.mark.parametrize("shape", [(5, 11, 3), (5, 11, 4), (1, 1), (1, 7, 3)])
def test_round_trip_of_colours(shape):
    image = RNG.integers(0, 256, shape).astype("uint8")
    np.testing.assert_array_equal(decode(encode(image)), image)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode(image)))), image)


@pytest.mark.parametrize(
    "dtype", ["int8", "int16", "int32", "uint32", "float32", "float64", "int64"]
)
def test_other_dtypes_are_to_be_rescaled(dtype):
    with pytest.raises(SpecError, match=f"not {dtype}; rescale"):
        encode(np.zeros((2, 3), dtype))


@pytest.mark.parametrize("dtype", ["bool", "uint16"])
def test_colour_is_of_8_bits(dtype):
    with pytest.raises(SpecError, match="holds uint8, not"):
        encode(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 2), (2, 3, 5), (1, 2, 3, 3), (0, 3), (2, 0), ()])
def test_shapes_that_are_no_image(shape):
    with pytest.raises(SpecError, match="shape"):
        encode(np.zeros(shape, "uint8"))


def test_a_bomb_is_refused_before_it_is_unpacked():
    data = built(50_000, 50_000, 8, 0, [b""])
    with pytest.raises(FormatError, match="claims 50000 x 50000 pixels, more than"):
        decode(data)
    assert header(data).shape == (50_000, 50_000)


def test_the_limit_is_pillows(monkeypatch):
    data = encode(np.zeros((20, 30), "uint8"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with pytest.raises(FormatError, match="MAX_IMAGE_PIXELS"):
        decode(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode(data).shape == (20, 30)


@pytest.mark.parametrize(("width", "colour"), [(0, 0), (3, 1), (3, 7)])
def test_a_header_of_nonsense(width, colour):
    for call in (header, decode):
        with pytest.raises(FormatError, match="header"):
            call(built(width, 1, 8, colour, [b"abc"]))


def test_16_bit_colour_without_imagecodecs_says_what_to_install():
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from thunderlike.formats.png import decode\n"
        "from thunderlike.errors import MissingExtraError\n"
        "try: decode(sys.stdin.buffer.read())\n"
        "except MissingExtraError as error: print(error)"
    )
    data = built(1, 1, 16, 2, [bytes(6)])
    run = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert b"thunderlike[codecs]" in run.stdout
