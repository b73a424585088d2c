"""Fixtures that save and load in one step, and the comparison of values."""

from __future__ import annotations

import math
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

import thunderlike as tl


@pytest.fixture
def same():
    return _same


@pytest.fixture
def back(tmp_path):
    """Save a value and load it."""

    def run(value, **options):
        ours = ("compression", "links", "meta", "compat")
        saving = {k: options.pop(k) for k in ours if k in options}
        allowed = "allow" if options.get("pickle") == "allow" else "refuse"
        tl.save(tmp_path / "x.h5", value, pickle=allowed, **saving)
        return tl.load(tmp_path / "x.h5", **options)

    return run


def _same(one, other, pairs=None):
    """Equal and of the same types throughout; shared objects are shared in both."""
    pairs = {} if pairs is None else pairs
    if type(one) is not type(other):
        return False
    shared = isinstance(one, list | dict | tuple | SimpleNamespace | np.ndarray | deque)
    if shared and not (isinstance(one, np.ndarray) and not one.ndim):  # those are scalars
        if id(one) in pairs:
            return pairs[id(one)] is other
        pairs[id(one)] = other
    if isinstance(one, np.ndarray):
        return same_arrays(one, other, pairs)
    if isinstance(one, SimpleNamespace):
        return _same(vars(one), vars(other), pairs)
    if isinstance(one, dict):
        keys = list(one) == list(other) and all(
            type(a) is type(b) for a, b in zip(one, other, strict=True)
        )
        return keys and all(_same(one[key], other[key], pairs) for key in one)
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(
            _same(a, b, pairs) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, float | np.floating) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, complex | np.complexfloating):
        return np.array_equal(one, other, equal_nan=True)
    return one == other or (one != one and other != other)  # NaT


def same_arrays(one, other, pairs):
    if one.dtype != other.dtype or one.dtype.str != other.dtype.str or one.shape != other.shape:
        return False
    fortran = [a.flags.f_contiguous and not a.flags.c_contiguous for a in (one, other)]
    if fortran[0] != fortran[1]:
        return False
    if isinstance(one, np.ma.MaskedArray):
        masks = np.array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        return masks and same_arrays(one.data, other.data, pairs)
    if one.dtype.kind == "O":
        return all(_same(a, b, pairs) for a, b in zip(one.ravel(), other.ravel(), strict=True))
    if one.dtype.kind == "T":
        return one.tolist() == other.tolist()
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
