"""Designs, and helpers that make regressors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.interpolate import BSpline

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.regression import Design, convolve, lags, onehot, splines


def test_names_and_groups_of_arrays_mappings_and_tables():
    assert Design.of([1, 2]).names == ("x0",)
    assert Design.of(np.ones((4, 2))).groups == {"x0": (0,), "x1": (1,)}
    table = pd.DataFrame({"speed": [1.0, 2], "place": [3, 4]})
    assert Design.of(table).names == ("speed", "place")
    design = Design.of({"a": [[1, 2], [3, 4]], "b": [True, False]})
    assert (design.names, design.count, len(design)) == (("a[0]", "a[1]", "b"), 3, 2)
    np.testing.assert_array_equal(design.values, [[1, 2, 1], [3, 4, 0]])
    assert Design.of(design) is design
    assert [Design.of(X).named for X in ([1, 2], table, {"x0": [1]}, design)] == [
        False,
        *[True] * 3,
    ]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.ones((2, 2, 2)), SpecError, r"'X' has shape \(2, 2, 2\): give one of \(T,\)"),
        (1.0, SpecError, r"has shape \(\)"),
        (np.ones((3, 0)), SpecError, "there are no regressors"),
        ({}, SpecError, "there are no regressors"),
        ({"a": [1, 2], "b": [1]}, SpecError, "different lengths, {'a': 2, 'b': 1}"),
        ([1j, 2], WrongTypeError, "'X' has dtype complex128: give real numbers"),
        ({"a": ["x"]}, WrongTypeError, "'a' has dtype <U1: give real numbers, onehot"),
        (
            pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]),
            SpecError,
            "X has several regressors with the name 'a': rename all but one",
        ),
        ({1: [1], "1": [2]}, SpecError, "several regressors with the name '1'"),
        ({1: [[1, 2]], "1": [2]}, SpecError, "several regressors with the name '1'"),
        ({"a": [[1, 2]], "a[1]": [3]}, SpecError, r"several regressors with the name 'a\[1\]'"),
    ],
)
def test_designs_that_make_no_sense(X, error, message):
    with pytest.raises(error, match=message):
        Design.of(X)


def test_a_design_has_each_name_once():
    with pytest.raises(SpecError, match="several regressors with the name 'a'"):
        Design(np.ones((3, 2)), ("a", "a"), {})


def test_convolve_is_a_causal_exponential():
    rng = np.random.default_rng(0)
    x, tau, fs = rng.normal(size=50), 0.7, 10.0
    kernel = np.exp(-np.arange(50) / (tau * fs))
    kernel *= 1 - np.exp(-1 / (tau * fs))
    np.testing.assert_allclose(convolve(x, tau, fs), np.convolve(x, kernel)[:50], rtol=1e-9)
    both = convolve(np.column_stack([x, 2 * x]), tau, fs)
    np.testing.assert_allclose(both[:, 1], 2 * convolve(x, tau, fs))


def test_convolve_with_a_rise_is_a_difference_of_exponentials():
    impulse = np.r_[1.0, np.zeros(400)]
    found = convolve(impulse, 20.0, rise=3.0)
    times = np.arange(1, 402)
    expected = np.exp(-times / 20) - np.exp(-times / 3)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-9)
    assert found.argmax() > 3
    assert convolve(np.ones(500), 5.0, rise=2.0)[-1] == pytest.approx(1)
    with pytest.raises(SpecError, match=r"tau=0 and fs=1\.0 must be positive"):
        convolve(impulse, 0)


def test_lags_shift_with_zeros():
    x = np.column_stack([np.arange(1.0, 6), np.arange(10.0, 60, 10)])
    found = lags(x, [0, 2, -1])
    np.testing.assert_array_equal(found[:, 1], [0, 0, 1, 2, 3])
    np.testing.assert_array_equal(found[:, 2], [2, 3, 4, 5, 0])
    np.testing.assert_array_equal(found[:, 4], [0, 0, 10, 20, 30])
    for shifts in ([], [5], [0.5]):
        with pytest.raises(SpecError, match="must be whole numbers of less than 5"):
            lags(x, shifts)


def test_splines_are_a_partition_of_one():
    x = np.random.default_rng(0).uniform(-3, 9, 100)
    found = splines(x, 7)
    assert found.shape == (100, 7)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all()
    inner = np.linspace(x.min(), x.max(), 5)
    knots = np.r_[[x.min()] * 3, inner, [x.max()] * 3]
    np.testing.assert_allclose(found[:, 3], BSpline(knots, np.eye(7)[3], 3)(x), atol=1e-12)
    with pytest.raises(SpecError, match="splines of degree 3 must be at least 4, not n=3"):
        splines(x, 3)
    with pytest.raises(SpecError, match="one covariate of shape"):
        splines(np.ones(5), 4)


def test_onehot():
    found, levels = onehot([3, 1, 3, 2])
    np.testing.assert_array_equal(levels, [1, 2, 3])
    np.testing.assert_array_equal(found, np.array([3, 1, 3, 2])[:, None] == levels)
    with pytest.raises(SpecError, match=r"labels have shape \(1, 2\)"):
        onehot([["a", "b"]])
