"""What the formats share."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import FormatError, NotFoundError, SpecError
from thunderlike.formats import Header, sniff
from thunderlike.formats.base import damage, native, numbers


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\x93NUMPY\x01\0", "npy"),
        (b"II", None),
        (b"", None),
    ],
)
def test_sniff(start, name):
    assert sniff(start) == name


@pytest.mark.parametrize(("pages", "whole"), [(1, (4, 5)), (2, (2, 4, 5))])
def test_a_single_page_has_no_page_axis(pages, whole):
    assert Header((4, 5), np.dtype("uint8"), pages).whole == whole


@pytest.mark.parametrize("error", [IndexError(), MemoryError("8 EiB"), OSError("cut"), KeyError(5)])
def test_any_failure_of_a_parser_is_damage(error):
    with pytest.raises(FormatError, match=r"damaged or truncated PNG file: .+"), damage("png"):
        raise error


def test_our_own_failures_pass():
    with pytest.raises(NotFoundError), damage("png"):
        raise NotFoundError("no such file")


def test_native_copies_only_what_is_not():
    array = np.zeros((2, 3), "int16")
    assert native(array) is array
    for other in (array.astype(">i2"), array.T, np.asfortranarray(array)):
        assert native(other).flags.c_contiguous
        assert native(other).dtype == np.dtype("int16")
    assert native(np.array(3, ">i2")).shape == ()


@pytest.mark.parametrize("dtype", ["nonsense", "O", "U3", "S3", "M8[s]", "i4,i4", "V8"])
def test_numbers_alone_stand_in_files(dtype):
    with pytest.raises(SpecError):
        numbers(dtype)
