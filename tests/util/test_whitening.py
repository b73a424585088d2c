"""Whitening, against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike import util
from thunderlike.errors import SpecError

X = np.random.default_rng(0).normal(size=(250, 2, 3)) * np.array([[1, 5, 9], [2, 4, 8]])


@pytest.mark.parametrize("batch", [1, 7, 250, 1000])
def test_whitened_samples_have_unit_moments(batch):
    white = util.whiten(X, 1e-9, batch).reshape(250, 6)
    assert util.whiten(X, 1e-9, batch).shape == X.shape
    np.testing.assert_allclose(white.T @ white / 250, np.eye(6), atol=1e-6)


def test_the_matrix_is_that_of_the_definition():
    flat = X.reshape(250, 6)
    values, vectors = np.linalg.eigh(flat.T @ flat / 250)
    wanted = vectors @ np.diag(1 / np.sqrt(values + 0.1)) @ vectors.T
    found = util.zca_whitening_matrix(X, 0.1)
    np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(util.apply_whitening_matrix(flat, found), flat @ wanted)


def test_small_integers_are_not_multiplied_as_such():
    samples = np.full((300, 2), 200, np.uint8)
    samples[::2, 0] = 0
    np.testing.assert_allclose(util.whiten(samples, 1.0), util.whiten(samples * 1.0, 1.0), 1e-4)


@pytest.mark.parametrize("call", [
    lambda: util.whiten(np.zeros((0, 3)), 1.0), lambda: util.whiten(5.0, 1.0),
    lambda: util.whiten(X, 1.0, batch=0),
])  # fmt: skip
def test_what_cannot_be_whitened(call):
    with pytest.raises(SpecError):
        call()
