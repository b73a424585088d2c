"""Transposing by tiles, into views and over dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.engines.shuffle import transpose_into
from thunderlike.errors import SpecError


@pytest.mark.parametrize(
    "dtype", ["bool", "int16", "complex128", "S100", "object", "datetime64[s]"]
)
def test_every_dtype(dtype):
    piece = (np.arange(600 * 70).reshape(600, 70) % 97).astype(dtype)
    out = np.empty((70, 600), dtype)
    transpose_into(out, piece)
    np.testing.assert_array_equal(out, piece.T)


@pytest.mark.parametrize("shape", [(64, 1024), (513, 257), (3, 1), (1, 3), (0, 5), (5, 0), (0, 0)])
def test_every_shape(shape):
    piece = np.random.default_rng(0).integers(0, 99, shape, "int16")
    out = np.full(shape[::-1], -1, "int16")
    transpose_into(out, piece)
    np.testing.assert_array_equal(out, piece.T)


def test_views_with_strides_on_both_sides():
    whole = np.arange(40 * 900).reshape(40, 900)
    room = np.full((600, 50), -1)
    transpose_into(room[::2, 5:25], whole[::-2, 100:700:2])
    np.testing.assert_array_equal(room[::2, 5:25], whole[::-2, 100:700:2].T)
    assert (room[1::2] == -1).all()
    assert (room[:, :5] == -1).all()
    assert (room[:, 25:] == -1).all()


def test_there_and_back():
    piece = np.random.default_rng(0).random((37, 1001))
    there, back = np.empty((1001, 37)), np.empty((37, 1001))
    transpose_into(there, piece)
    transpose_into(back, there)
    np.testing.assert_array_equal(back, piece)


def test_shapes_that_are_not_each_others_reverse_are_refused():
    with pytest.raises(SpecError, match=r"\(2, 3\).*\(2, 3\)"):
        transpose_into(np.zeros((2, 3)), np.zeros((2, 3)))
