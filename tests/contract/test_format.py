"""Contract of self-describing formats; each in the table of formats needs an entry in HOLDS."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats import FORMATS as ALL
from thunderlike.formats import sniff

NUMBERS = ["uint8", "uint16", "int16", "int32", "float32", "float64"]
FORMATS = {one.module or one.name: one.codec for one in ALL.values() if one.decode}
# Which arrays each can hold.
HOLDS = {
    "tiff": [((5, 11), ["bool", "int8", "int64", *NUMBERS]), ((3, 5, 11), ["bool", *NUMBERS])],
    "png": [((5, 11), ["bool", "uint8", "uint16"]), ((5, 11, 3), ["uint8"])],
    "npy": [((5, 11), ["bool", "complex64", *NUMBERS]), ((3, 5, 11), NUMBERS), ((), NUMBERS)],
}
# The same file read by the library that everybody else uses.
OTHERS = {
    "tiff": lambda data: tifffile.imread(io.BytesIO(data)),
    "png": lambda data: np.asarray(Image.open(io.BytesIO(data))),
    "npy": lambda data: np.load(io.BytesIO(data), allow_pickle=False),
}
CASES = [
    pytest.param(name, shape, dtype, id=f"{name}-{len(shape)}d-{dtype}")
    for name, held in HOLDS.items()
    for shape, dtypes in held
    for dtype in dtypes
]
EACH = pytest.mark.parametrize("name", FORMATS)


def sample(shape, dtype):
    """Values that use every byte of the dtype; the same ones each time."""
    data = np.random.default_rng(1).integers(0, 256, (*shape, np.dtype(dtype).itemsize), "uint8")
    kind = np.dtype(dtype).kind
    if kind in "fc":
        return data.astype(dtype)[..., 0] / 7 - 3
    return (data[..., 0] % 2).astype(bool) if kind == "b" else data.view(dtype)[..., 0]


@pytest.mark.parametrize(("name", "shape", "dtype"), CASES)
def test_round_trip(name, shape, dtype):
    array = sample(shape, dtype).astype(dtype)
    data = FORMATS[name].encode(array)
    decoded = FORMATS[name].decode(data)
    assert (decoded.shape, decoded.dtype) == (shape, np.dtype(dtype))
    np.testing.assert_array_equal(decoded, array)
    assert decoded.flags.c_contiguous
    assert decoded.dtype.isnative


@pytest.mark.parametrize(("name", "shape", "dtype"), CASES)
def test_others_read_what_we_write(name, shape, dtype):
    array = sample(shape, dtype).astype(dtype)
    read = OTHERS[name](FORMATS[name].encode(array))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize(("name", "shape", "dtype"), CASES)
def test_header_says_what_decode_gives(name, shape, dtype):
    data = FORMATS[name].encode(sample(shape, dtype).astype(dtype))
    header, decoded = FORMATS[name].header(data), FORMATS[name].decode(data)
    assert (header.whole, header.dtype) == (decoded.shape, decoded.dtype)


@EACH
def test_byte_order_and_memory_order_do_not_matter(name):
    array = sample((5, 11), "uint16")
    expected = FORMATS[name].encode(array)
    for other in (array.astype(">u2"), np.asfortranarray(array), np.repeat(array, 2, 1)[:, ::2]):
        assert FORMATS[name].encode(other) == expected
    np.testing.assert_array_equal(FORMATS[name].decode(expected), array)


@EACH
def test_an_array_is_written_the_same_way_every_time(name):
    array = sample((5, 11), "uint8")
    assert FORMATS[name].encode(array) == FORMATS[name].encode(array.copy())


@EACH
def test_encode_leaves_its_input_alone(name):
    array = sample((5, 11), ">u2")
    before = array.copy()
    array.flags.writeable = False
    FORMATS[name].encode(array)
    np.testing.assert_array_equal(array, before)


@EACH
def test_sniff_names_it(name):
    assert sniff(FORMATS[name].encode(sample((5, 11), "uint8"))) == name


@EACH
@pytest.mark.parametrize("call", ["decode", "header"])
def test_what_is_of_another_kind_is_named(name, call, capfd):
    read = getattr(FORMATS[name], call)
    with pytest.raises(FormatError, match=f"not a {name.upper()} file: it is empty"):
        read(b"")
    with pytest.raises(FormatError, match="it begins with b'plain te'"):
        read(b"plain text, and more of it")
    for other in FORMATS.keys() - {name}:
        with pytest.raises(
            FormatError, match=f"not a {name.upper()} file: it is a {other.upper()}"
        ):
            read(FORMATS[other].encode(sample((5, 11), "uint8")))
    assert capfd.readouterr() == ("", "")


@EACH
def test_every_truncation_is_a_format_error(name, capfd):
    """A file truncated anywhere is refused, in one kind of error and in silence."""
    data = FORMATS[name].encode(sample((4, 5), "uint8"))
    end = data.index(b"IEND") + 4 if name == "png" else len(data)
    for length in range(end):
        with pytest.raises(FormatError):
            FORMATS[name].decode(data[:length])
    assert capfd.readouterr() == ("", "")


@EACH
def test_damage_is_a_format_error_or_an_array(name, capfd):
    """Whatever bytes are damaged, nothing but FormatError comes out, and nothing is printed."""
    good = FORMATS[name].encode(sample((4, 5), "uint8"))
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(400):
        bad = bytearray(good)
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        try:
            FORMATS[name].decode(bytes(bad))
        except FormatError:
            refused += 1
    assert refused > 50
    assert capfd.readouterr() == ("", "")


@EACH
@pytest.mark.parametrize(
    "array",
    [
        np.array([[object()]]),
        np.array([["text"]]),
        np.zeros((2, 2), "datetime64[s]"),
        np.zeros((2, 2), [("a", "i4")]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_what_is_no_number_is_refused(name, array):
    with pytest.raises(SpecError, match="hold"):
        FORMATS[name].encode(array)
