from __future__ import annotations

import numpy as np
import pytest

from thunderlike.extraction.footprints import Footprints
from thunderlike.kernels.footprints import overlaps, sweep_traces, sweep_weights

COMPILED = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])


@pytest.fixture
def found():
    """Cells in a field, of which some overlap and one is alone."""
    rng = np.random.default_rng(0)
    made = Footprints(np.ones((40, 50), bool), 30, (4.0, 4.0))
    made.centres = np.concatenate([rng.integers(0, 25, (12, 2)), [[39, 49]]])
    made.weights = (rng.random((13, 9, 9)) * made.supports()).astype("f4")
    made.traces = rng.random((13, 30)).astype("f4")
    return made


def dense(found):
    """Footprints as rows over all pixels of the field."""
    image = np.zeros((13, 48, 58))
    for row, centre, weights in zip(image, found.centres, found.weights, strict=True):
        found.window(row, centre)[...] = weights
    return image.reshape(13, -1)


def test_overlaps_are_products_of_footprints(found):
    pairs, rows = found.pairs(), found.weights.reshape(13, -1)
    gram = dense(found) @ dense(found).T
    cell = np.repeat(np.arange(13), np.diff(pairs.ends))
    np.testing.assert_allclose(overlaps(pairs, rows, rows), gram[cell, pairs.cells], rtol=1e-6)
    others = gram - np.diag(np.diag(gram))
    others[cell, pairs.cells] = 0
    assert not others.any()


@COMPILED
def test_each_trace_is_the_best_for_the_others(found, compiled):
    movie = np.random.default_rng(1).normal(1, 1, (48 * 58, 30))
    footprints, pairs = dense(found), found.pairs()
    sizes = np.square(footprints).sum(axis=1)
    products = (footprints @ movie / sizes[:, None]).astype("f4")
    cell = np.repeat(np.arange(13), np.diff(pairs.ends))
    overlap = ((footprints @ footprints.T) / sizes[:, None])[cell, pairs.cells].astype("f4")
    expected = found.traces.astype("f8")
    for k in range(13):
        left = movie - np.delete(footprints, k, 0).T @ np.delete(expected, k, 0)
        expected[k] = np.maximum(footprints[k] @ left / sizes[k], 0)
    sweep_traces.choose(compiled)(pairs, overlap, products, found.traces)
    np.testing.assert_allclose(found.traces, expected, rtol=1e-4, atol=1e-5)


@COMPILED
def test_each_footprint_is_the_best_for_the_others(found, compiled):
    rng = np.random.default_rng(2)
    pairs, rows = found.pairs(), found.weights.reshape(13, -1)
    sizes = np.square(found.traces, dtype="f8").sum(axis=1)
    movie = rng.normal(1, 1, (48 * 58, 30))
    cell = np.repeat(np.arange(13), np.diff(pairs.ends))
    gram = ((found.traces @ found.traces.T) / sizes[:, None])[cell, pairs.cells].astype("f4")
    products = np.zeros_like(rows)
    cube = movie.reshape(48, 58, 30)
    for k, centre in enumerate(found.centres):
        products[k] = (found.window(cube, centre) @ found.traces[k] / sizes[k]).ravel()
    products *= found.supports().reshape(13, -1)
    expected = found.weights.astype("f8")
    for k, centre in enumerate(found.centres):
        left = cube.copy()
        for j, other in enumerate(found.centres):
            if j != k:
                found.window(left, other)[...] -= expected[j][..., None] * found.traces[j]
        best = found.window(left, centre) @ found.traces[k] / sizes[k]
        expected[k] = np.maximum(best, 0) * found.support(centre)
    sweep_weights.choose(compiled)(pairs, gram, products, rows)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-4, atol=1e-4)


def test_loops_give_the_bits_of_numpy(found):
    rng = np.random.default_rng(3)
    pairs = found.pairs()
    share = rng.random(len(pairs.cells)).astype("f4")
    products = (5 * rng.random((13, 30))).astype("f4")
    traces = [found.traces.copy() for _ in range(2)]
    for compiled, changed in zip((False, True), traces, strict=True):
        sweep_traces.choose(compiled)(pairs, share / 20, products, changed)
    np.testing.assert_array_equal(*traces)
    weights = [found.weights.reshape(13, -1).copy() for _ in range(2)]
    pixels = rng.random(weights[0].shape).astype("f4")
    for compiled, changed in zip((False, True), weights, strict=True):
        sweep_weights.choose(compiled)(pairs, share / 20, pixels, changed)
    np.testing.assert_array_equal(*weights)
