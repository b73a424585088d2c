"""numpy's own format."""

from __future__ import annotations

import io

import numpy as np
import pytest

from thunderlike.errors import FormatError
from thunderlike.formats.npy import decode, encode, header


def saved(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<i2", ">i2", ">f8"])
def test_reads_what_numpy_writes(dtype, order):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype, order=order)
    decoded = decode(saved(array))
    np.testing.assert_array_equal(decoded, array)
    assert decoded.dtype.isnative
    assert header(saved(array)).dtype == decoded.dtype


def test_nothing_is_unpickled():
    data = saved(np.array([{"a": 1}]), allow_pickle=True)
    for call in (decode, header):
        with pytest.raises(FormatError, match="object, not numbers"):
            call(data)


def test_named_fields_are_refused():
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.zeros(2, [("Ü", "i4")]), version=(3, 0))
    with pytest.raises(FormatError, match="named fields"):
        decode(stream.getvalue())


def test_a_second_version_header_is_read():
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(3), version=(2, 0))
    np.testing.assert_array_equal(decode(stream.getvalue()), [0, 1, 2])


def test_a_longer_file_is_refused():
    with pytest.raises(FormatError, match=r"expected 6 bytes .* found 7"):
        decode(encode(np.zeros(3, "int16")) + b"x")


@pytest.mark.parametrize("shape", [(0,), (0, 3), (), (1,)])
def test_small_shapes(shape):
    assert decode(encode(np.zeros(shape))).shape == shape
