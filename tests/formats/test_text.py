"""Tables of numbers in text."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import FormatError
from thunderlike.formats.text import decode, encode, shape


@pytest.mark.parametrize(
    "data",
    [
        b"1 2\n3 4\n",
        b"1\t2\n3\t4",
        b"1,2\r\n3, 4\r\n",
        b"# x y\n\n 1  2 # one\n   \n3 4\n#",
        b"\xef\xbb\xbf1 2\n3 4",
        b"1e0 2.0\n+3 4",
    ],
)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
def test_reads_every_way_to_write_a_table(data, dtype):
    table = decode(data, dtype)
    np.testing.assert_array_equal(table, [[1, 2], [3, 4]])
    assert table.dtype == dtype
    assert shape(data) == (2, 2)
    assert shape(data, skip=1) == (2, 1) == decode(data, dtype, skip=1).shape


@pytest.mark.parametrize("data", [b"", b"\n \n", b"# nothing\n"])
def test_no_rows(data):
    assert decode(data).shape == (0, 0) == shape(data)


def test_long_integers_keep_their_digits():
    assert decode(b"9007199254740993", "i8")[0, 0] == 2**53 + 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e-320, 0.1])
def test_what_is_written_reads_back(value):
    np.testing.assert_array_equal(decode(encode(np.array([[value, 1.0]]))), [[value, 1.0]])


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"1 2 3\n1 2\n", "line 2 has 2 columns, line 1 has 3"),
        (b"#\n\n1 2 3\n\n1 2\n", "line 5 has 2 columns, line 3 has 3"),
        (b"1 2\n1 x\n", "line 2: 'x' is not a number"),
        (b"1 2\n1 \xff\n", "not text in UTF-8: invalid start byte at byte 6"),
        (b"99999999999999999999", "cannot be read as int64"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(data, cause):
    with pytest.raises(FormatError, match=cause):
        decode(data, "i8")


def test_columns_that_are_all_left_out():
    with pytest.raises(FormatError, match="none is left"):
        decode(b"1 2", skip=2)
