"""Layers of the real napari, where it is installed; no window is needed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import thunderlike as tl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its plugins' manifests
    pytest.importorskip("napari.layers")

VALUES = np.random.default_rng(0).normal(100, 10, size=(6, 4, 5))


def test_a_layer_shows_each_image_in_micrometres(engine):
    movie = tl.images.fromarray(VALUES, engine=engine)
    movie.attrs = {"pixel_size": {"y": 2.0, "x": 0.5}}
    layer = movie.tonapari(name="run 1")
    assert layer.name == "run 1"
    assert layer.data.shape == (6, 4, 5)
    assert layer.scale.tolist() == [1, 2, 0.5]
    np.testing.assert_allclose(layer.contrast_limits, np.percentile(VALUES, (0.5, 99.5)))
    np.testing.assert_array_equal(np.asarray(layer.data[3]), VALUES[3])
    assert layer.metadata == movie.attrs


def test_memory_is_shared_and_options_go_before():
    movie = tl.images.fromarray(VALUES)
    layer = movie.tonapari(contrast_limits=(0, 1), scale=(3, 1, 1))
    assert np.shares_memory(layer.data, VALUES)
    assert (list(layer.contrast_limits), layer.scale[0]) == ([0, 1], 3)
