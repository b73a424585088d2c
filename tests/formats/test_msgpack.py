"""Messages: what goes in comes out, the bytes are msgpack-numpy's, and nothing hostile runs."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from thunderlike.errors import FormatError, SpecError, WrongTypeError
from thunderlike.formats.msgpack import packb, unpackb

KINDS = [
    "?",
    "i1",
    ">i2",
    "<u4",
    "i8",
    "f2",
    ">f4",
    "f8",
    "c8",
    "c16",
    "U3",
    "S4",
    "M8[ns]",
    "m8[s]",
]


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays_come_back_as_they_were_but_read_only(dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).astype("i8").astype(dtype).reshape(shape)
    back = unpackb(packb(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable


def test_an_array_in_another_order_comes_back_in_c_order():
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    back = unpackb(packb({"a": array[:, ::2]}))["a"]
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, array[:, ::2])


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", "<i4"), ("b", "<f4", (2,))]),
        np.dtype([("in", [("x", "u1"), ("y", "<f8")]), ("c", "S3")]),
        np.dtype([("a", "i1"), ("b", "<i4")], align=True),
    ],
)
def test_structured_arrays_come_back(dtype):
    array = np.zeros(3, dtype)
    array[dtype.names[0]] = 7 if dtype.names[0] == "a" else (1, 2)
    back = unpackb(packb([array]))[0]
    assert back.dtype == dtype
    assert back.tobytes() == array.tobytes()


def test_the_bytes_are_those_of_msgpack_numpy():
    """Golden bytes: a map with keys of bytes, in this order."""
    assert packb(np.array([1, 2], "<i2")) == (
        b"\x85\xc4\x02nd\xc3\xc4\x04type\xa3<i2\xc4\x04kind\xc4\x00\xc4\x05shape\x91\x02"
        b"\xc4\x04data\xc4\x04\x01\x00\x02\x00"
    )
    assert packb(np.float32(1)) == (
        b"\x83\xc4\x02nd\xc2\xc4\x04type\xa3<f4\xc4\x04data\xc4\x04\x00\x00\x80?"
    )
    assert packb(1 + 2j) == b"\x82\xc4\x07complex\xc3\xc4\x04data\xa6(1+2j)"


def test_numbers_of_numpy_come_back():
    for value in (np.float32(2), np.int8(-3), np.bool_(True), np.complex64(1j)):
        back = unpackb(packb(value))
        assert (type(back), back) == (type(value), value)
    for value in (np.datetime64("2020-01-01T00:00", "s"), np.timedelta64(3, "D")):
        back = unpackb(packb(value))
        assert (back.dtype, back) == (value.dtype, value)


def test_what_is_a_python_number_or_text_comes_back_as_that():
    back = unpackb(packb([np.float64(1.5), np.str_("a"), (1, 2)]))
    assert back == [1.5, "a", [1, 2]]
    assert [type(one) for one in back] == [float, str, list]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(-5, 5) | st.sampled_from([b"nd", b"type"]), inner)
    ),
    max_leaves=12,
)


@given(VALUES.filter(lambda value: not (isinstance(value, dict) and b"type" in value)))
def test_any_value_comes_back(value):
    try:
        back = unpackb(packb(value))
    except FormatError:
        assert "nd" in repr(value)  # a map marked as an array that holds no array
    else:
        assert back == value


@given(npst.arrays(npst.scalar_dtypes(), npst.array_shapes(min_dims=0, min_side=0)))
def test_any_array_comes_back(array):
    back = unpackb(packb({"deep": [{"a": array}]}))["deep"][0]["a"]
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({1, 2}, "builtins.set"),
        (object(), "builtins.object"),
        ([{"a": frozenset()}], "frozenset"),
        (np.array([object()]), "objects"),
        (np.zeros(1, [("a", "O")]), "objects"),
        (__import__("datetime").date(2020, 1, 1), "datetime.date"),
        (__import__("decimal").Decimal(1), "Decimal"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_type(value, found):
    with pytest.raises(WrongTypeError, match=found) as caught:
        packb({"x": value})
    assert isinstance(caught.value, TypeError)


def test_numbers_beyond_64_bits_are_refused():
    with pytest.raises(SpecError, match="64 bits"):
        packb({"n": 2**64})


class Bomb:
    """Says so when it is unpickled."""

    went_off = False

    def __reduce__(self):
        return (setattr, (Bomb, "went_off", True))


def forged(**fields):
    return packb(
        {
            name.encode(): value
            for name, value in {
                "nd": True,
                "type": "|O",
                "kind": b"",
                "shape": [1],
                "data": b"\1" * 8,
                **fields,
            }.items()
        }
    )


@pytest.mark.parametrize(
    "message",
    [
        forged(kind=b"O", data=pickle.dumps(Bomb())),
        forged(),
        forged(type="O8"),
        forged(type=[["a", "|O"]], kind=b"V"),
        forged(type=[["a", [["b", "|O"]]]], kind=b"V"),
        forged(type="i4,O"),
        forged(nd=False),
    ],
)
def test_a_forged_object_array_runs_nothing_and_crashes_nothing(message):
    with pytest.raises(FormatError):
        unpackb(b"\x81\xa1x" + message)
    assert not Bomb.went_off


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "<i8", "shape": [2]},
        {"type": "<i8", "shape": [-1]},
        {"type": "<i8", "shape": [-1, -1]},
        {"type": "<i8", "shape": "a"},
        {"type": "<i8", "shape": [2**62, 4]},
        {"type": "<i8", "shape": [1.0]},
        {"type": "<i8", "shape": [1] * 70},
        {"type": "<i8", "data": None},
        {"type": "nonsense"},
        {"type": 5},
        {"type": "<V999999999999999999999"},
        {"type": [[1]], "kind": b"V"},
        {"type": [["a", "<i4", [2**40]]], "kind": b"V"},
    ],
)
def test_an_array_that_does_not_fit_its_data_is_named(fields):
    with pytest.raises(FormatError):
        unpackb(forged(**fields))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\x81\xa1x",
        b"\x01\x02",
        b"\xa1\xff",
        b"\x91" * 100_000,
        b"\xdd" + struct.pack(">I", 2**32 - 1),
        b"\x81\x80\x01",
        packb({b"complex": True, b"data": "no number"}),
    ],
)
def test_bytes_that_are_no_message_are_refused(message):
    with pytest.raises(FormatError):
        unpackb(message)


def test_a_map_that_only_looks_like_an_array_stays_a_map():
    for value in ({b"nd": True}, {"nd": True, "type": 3}, {b"nd": [np.arange(2)], b"x": 1}):
        assert repr(unpackb(packb(value))) == repr(value)


@given(st.binary(max_size=60))
def test_no_bytes_crash_it(data):
    try:
        unpackb(data)
    except FormatError:
        return
