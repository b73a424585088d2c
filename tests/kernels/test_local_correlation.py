"""Local correlation in one pass, against numpy's of scipy's blurred frames."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels import local_correlation
from thunderlike.kernels.local_correlation import LocalCorrelation


def reference(movie, size):
    frames = movie.astype("float64")
    blurred = np.stack([ndimage.uniform_filter(frame, size) for frame in frames])
    x, y = frames - frames.mean(axis=0), blurred - blurred.mean(axis=0)
    return (x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))


def movie(shape=(40, 9, 11), dtype="float64", offset=0.0):
    return np.random.default_rng(0).normal(offset, 30, shape).astype(dtype)


@pytest.mark.parametrize("size", [2, 3, 4, 7, (0, 3), (3, 1), 25])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_every_window(size, dtype):
    frames = movie(dtype=dtype)
    found = LocalCorrelation.of(frames, size).result()
    np.testing.assert_allclose(found, reference(frames, size), atol=1e-12)
    assert found.dtype == np.float64


@pytest.mark.parametrize("size", [2, (3, 3, 0), (0, 0, 2)])
def test_volumes(size):
    frames = movie((30, 7, 6, 4), "uint16", offset=2000)
    found = LocalCorrelation.of(frames, size).result()
    np.testing.assert_allclose(found, reference(frames, size), atol=1e-11)


def test_the_default_window_is_two_pixels_wide():
    found = LocalCorrelation.of(movie()).result()
    np.testing.assert_allclose(found, reference(movie(), 2), atol=1e-12)


def test_a_large_offset_costs_no_digits():
    frames = np.random.default_rng(0).normal(size=(40, 9, 11))
    far = LocalCorrelation.of(frames[:13] + 1e6, 3).merge(LocalCorrelation.of(frames[13:] + 1e6, 3))
    np.testing.assert_allclose(far.result(), reference(frames, 3), atol=1e-8)


def test_images_larger_than_a_stretch(monkeypatch):
    monkeypatch.setattr(local_correlation, "_PIXELS", 50)
    monkeypatch.setattr(local_correlation, "_FRAMES", 5)
    frames = movie((23, 20, 31), "int16")
    np.testing.assert_allclose(
        LocalCorrelation.of(frames, 3).result(), reference(frames, 3), atol=1e-12
    )


def test_a_constant_pixel_has_no_correlation_and_its_neighbours_have():
    frames = movie(dtype="float32")
    frames[:, 4, 5] = 0.1
    halves = LocalCorrelation.of(frames[:20], 3), LocalCorrelation.of(frames[20:], 3)
    for found in (LocalCorrelation.of(frames, 3), halves[0].merge(halves[1])):
        missing = np.argwhere(np.isnan(found.result()))
        np.testing.assert_array_equal(missing, [[4, 5]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("frame", [0, 7])
def test_a_bad_pixel_is_felt_by_the_windows_that_hold_it(value, frame):
    frames = movie()
    frames[frame, 4, 5] = value
    found = LocalCorrelation.of(frames, 3).result()
    bad = np.zeros((9, 11), bool)
    bad[3:6, 4:7] = True
    np.testing.assert_array_equal(np.isnan(found), bad)
    np.testing.assert_allclose(found[~bad], reference(movie(), 3)[~bad], atol=1e-12)


def test_it_stays_within_its_bounds():
    frames = np.outer(np.arange(50.0), np.arange(1, 61)).reshape(50, 6, 10)
    found = LocalCorrelation.of(frames, 3).result()
    assert found.max() <= 1
    np.testing.assert_allclose(found, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_have_no_correlation(count):
    found = LocalCorrelation.of(movie()[:count], 3).result()
    assert found.shape == (9, 11)
    assert np.isnan(found).all()


def test_frames_are_left_as_they_were_and_partials_travel():
    frames = movie()
    partial = pickle.loads(pickle.dumps(LocalCorrelation.of(frames, 3)))
    np.testing.assert_array_equal(frames, movie())
    np.testing.assert_allclose(partial.result(), reference(frames, 3), atol=1e-12)


@pytest.mark.parametrize("dtype", ["complex64", "object"])
def test_only_real_numbers_are_correlated(dtype):
    with pytest.raises(SpecError, match="no correlation"):
        LocalCorrelation.of(np.zeros((2, 3, 3), dtype))


@pytest.mark.parametrize("size", [-1, (2, 2, 2)])
def test_a_size_that_is_no_window_is_refused(size):
    with pytest.raises(SpecError, match="size"):
        LocalCorrelation.of(movie(), size)
