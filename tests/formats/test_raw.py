"""Flat binary and its conf.json."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.raw import Conf, decode, describe, encode, parse_conf

DTYPES = st.sampled_from(
    ["bool", "uint8", "uint16", "int16", "int32", "int64", "float32", "float64"]
)
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    )
)


@given(ARRAYS)
def test_round_trip(array):
    decoded = decode(encode(array), array.shape, array.dtype)
    np.testing.assert_array_equal(decoded, array)
    assert (decoded.shape, decoded.dtype) == (array.shape, array.dtype)
    assert decoded.flags.c_contiguous


@given(ARRAYS, st.sampled_from("<>"), st.sampled_from("CF"))
def test_any_byte_order_and_index_order_is_read(array, mark, order):
    dtype = array.dtype.newbyteorder(mark)
    data = array.astype(dtype).tobytes(order)
    decoded = decode(data, array.shape, dtype, order)
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype.isnative
    assert decoded.flags.c_contiguous


@given(ARRAYS, st.integers(-8, 8).filter(bool))
def test_another_length_is_refused(array, extra):
    data = encode(array)
    changed = data[:extra] if extra < 0 else data + bytes(extra)
    if len(changed) != len(data):
        with pytest.raises(
            FormatError, match=f"expected {len(data)} bytes .* found {len(changed)}"
        ):
            decode(changed, array.shape, array.dtype)


def test_the_message_says_what_was_expected():
    with pytest.raises(FormatError) as caught:
        decode(bytes(5), (2, 3), "int16")
    assert str(caught.value) == "expected 12 bytes for shape (2, 3) of int16, found 5"


def test_native_data_are_not_copied():
    data = encode(np.arange(6, dtype="int16"))
    assert np.shares_memory(decode(data, (2, 3), "int16"), np.frombuffer(data, "uint8"))


@pytest.mark.parametrize(
    ("shape", "dtype", "order"),
    [
        ((-1, 3), "int16", "C"),
        ((2.0, 3), "int16", "C"),
        (("2", 3), "int16", "C"),
        (6, "int16", "C"),
        ((2, 3), "nonsense", "C"),
        ((2, 3), "O", "C"),
        ((2, 3), "int16", "A"),
    ],
)
def test_arguments_that_no_file_can_have(shape, dtype, order):
    with pytest.raises(SpecError):
        decode(bytes(12), shape, dtype, order)


def test_a_shape_too_large_for_any_machine_is_refused():
    with pytest.raises(FormatError, match="found 8"):
        decode(bytes(8), (2**40, 2**40), "int64")


@pytest.mark.parametrize("array", [np.array([None]), np.array(["a"])])
def test_encode_refuses_what_is_no_number(array):
    with pytest.raises(SpecError):
        encode(array)


def test_conf_round_trip():
    assert parse_conf(describe((4, 5, 6), ">i2")) == Conf((4, 5, 6), np.dtype("int16"))


@pytest.mark.parametrize(
    ("text", "conf"),
    [
        ('{"dims": [64, 64], "dtype": "int16"}', Conf((64, 64), np.dtype("int16"))),
        ('{"dims": [1, 2], "shape": [3, 4]}', Conf((3, 4), None)),
        ('{"dtype": ">f4"}', Conf(None, np.dtype(">f4"))),
        (
            '{"nkeys": 3, "valuetype": "int16", "nvalues": 9, "input": "/somewhere"}',
            Conf(None, np.dtype("int16"), nkeys=3, nvalues=9),
        ),
        (
            '{"format": "float", "keyformat": "int16"}',
            Conf(None, np.dtype("f8"), keytype=np.dtype("i2")),
        ),
        ('\n {"shape" : [2,\n 3]}\n', Conf((2, 3), None)),
        ("{}", Conf()),
    ],
)
def test_conf_of_others(text, conf):
    assert parse_conf(text.encode()) == conf


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff\xfe\x00nonsense",
        b"[64, 64]",
        b"3",
        b'{"shape": 64}',
        b'{"shape": [64, -1]}',
        b'{"shape": [64.5]}',
        b'{"shape": "64"}',
        b'{"shape": {"x": 1}}',
        b'{"dtype": "nonsense"}',
        b'{"dtype": "object"}',
        b'{"dtype": 16}',
        b'{"dtype": {"a": 1}}',
        b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_conf_of_nonsense(data):
    with pytest.raises(
        FormatError, match=r"not JSON|not a JSON object|a shape is|no dtype|hold numbers"
    ):
        parse_conf(data)
