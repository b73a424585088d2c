"""Correlation with neighbours and peak-to-noise ratio, against numpy, in any division."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.config import config
from thunderlike.errors import SpecError
from thunderlike.kernels.summary_images import NeighbourCorrelation, PeakToNoise, neighbour_offsets


def movie(shape=(9, 11), count=40, seed=0):
    """Frames of smooth noise with an offset, one pixel constant."""
    rng = np.random.default_rng(seed)
    frames = ndimage.gaussian_filter(rng.normal(size=(count, *shape)), [0] + [1] * len(shape))
    frames = 1000 + 50 * frames
    frames[(slice(None), *(min(2, n - 1) for n in shape))] = 7
    return frames


def plain_correlation(frames, offsets):
    """Mean of the correlation coefficients of numpy."""
    shape = frames.shape[1:]
    out = np.full(shape, np.nan)
    for pixel in np.ndindex(shape):
        found = []
        for offset in [*offsets, *(tuple(-step for step in one) for one in offsets)]:
            other = tuple(np.add(pixel, offset))
            if all(0 <= n < size for n, size in zip(other, shape, strict=True)):
                pair = np.stack([frames[(slice(None), *p)] for p in (pixel, other)])
                if (pair.std(axis=1) > 0).all():
                    found.append(np.corrcoef(pair)[0, 1])
        if found:
            out[pixel] = np.mean(found)
    return out


@pytest.mark.parametrize(
    ("shape", "neighbours"), [((9, 11), 4), ((9, 11), 8), ((4, 5, 6), 26), ((3, 1, 8), 26)]
)
def test_correlations_are_those_of_numpy(engine, shape, neighbours):
    frames = movie(shape)
    images = tl.images.fromarray(frames, engine=engine)
    expected = plain_correlation(frames, neighbour_offsets(len(shape), neighbours))
    np.testing.assert_allclose(images.correlation_image(neighbours), expected, atol=1e-12)
    assert np.isnan(expected).sum() == 1


@pytest.mark.parametrize("name", ["correlation_image", "pnr_image"])
def test_bits_do_not_depend_on_the_division(engine, name):
    frames = movie().astype("float32")
    expected = getattr(tl.images.fromarray(frames), name)()
    with config(chunk_bytes=3 * frames[0].nbytes):
        segmented = getattr(tl.images.fromarray(frames), name)()
        images = tl.images.fromarray(frames, engine=engine, npartitions=4)
        assert np.array_equal(getattr(images, name)(), segmented, equal_nan=True)
    np.testing.assert_allclose(segmented, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_compiled_loops_equal_numpy(dtype):
    frames = movie((30, 400), 70).astype(dtype)
    offsets = tuple(neighbour_offsets(2, 8))
    plain = NeighbourCorrelation.of(frames, offsets)
    compiled = NeighbourCorrelation.of(frames, offsets, compiled=True)
    np.testing.assert_allclose(compiled.result(), plain.result(), rtol=1e-10)


def test_identical_neighbours_agree_with_localcorr():
    column = np.random.default_rng(0).normal(size=(30, 5, 1))
    images = tl.images.fromarray(np.repeat(column, 6, axis=2))
    assert np.allclose(images.localcorr((0, 2)), 1)
    frames = np.repeat(column[:, :1], 6, axis=2)
    assert np.allclose(tl.images.fromarray(frames).correlation_image(), 1)


def test_pixels_and_frames_without_values_are_left_out():
    frames = movie()
    frames[4, :, 0] = np.nan
    lost = np.insert(frames, 7, np.nan, axis=0)
    offsets = neighbour_offsets(2, 8)
    known = np.where(np.arange(11) == 0, 7.0, frames)  # as a constant column
    expected = plain_correlation(known, offsets)
    found = tl.images.fromarray(lost).correlation_image()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    ratio = tl.images.fromarray(lost).pnr_image(0.3)
    assert np.array_equal(ratio, tl.images.fromarray(frames).pnr_image(0.3), equal_nan=True)


def test_the_ratio_is_that_of_filtered_frames(engine):
    frames = movie((20, 22), 60)
    frames[:, 2, 2] = frames[:, 3, 3]
    smooth = ndimage.gaussian_filter(frames, [0, 1.5, 1.5])
    smooth -= ndimage.uniform_filter(frames, [0, 11, 11])
    noise = np.sqrt(np.square(np.diff(smooth, axis=0)).mean(axis=0) / 2)
    expected = (smooth.max(axis=0) - smooth.mean(axis=0)) / noise
    images = tl.images.fromarray(frames, engine=engine, npartitions=3)
    np.testing.assert_allclose(images.pnr_image(1.5), expected, rtol=1e-8)


def test_a_cell_is_bright_in_both():
    rng = np.random.default_rng(0)
    y, x = np.ogrid[:40, :40]
    cell = np.exp(-((y - 12) ** 2 + (x - 25) ** 2) / 18)
    signal = (rng.random(200) < 0.05) * 20.0
    frames = rng.poisson(50 + signal[:, None, None] * cell).astype("uint16")
    images = tl.images.fromarray(frames)
    # pnr_image is 2.8 without a cell: the largest of 200 values of noise, over its deviation.
    for found, ratio in ((images.correlation_image(), 2), (images.pnr_image(3), 1.5)):
        peak = np.unravel_index(np.nanargmax(found), found.shape)
        assert np.hypot(peak[0] - 12, peak[1] - 25) < 6
        assert found[10:15, 23:28].mean() > ratio * np.abs(found[25:, :10].mean())


def test_arguments_are_checked():
    images = tl.images.fromarray(movie())
    with pytest.raises(SpecError, match="4 or 8"):
        images.correlation_image(6)
    with pytest.raises(SpecError, match="sigma"):
        images.pnr_image(0)
    with pytest.raises(SpecError, match="no records"):
        images[:0].correlation_image()
    with pytest.raises(SpecError, match="complex"):
        tl.images.fromarray(movie().astype(complex)).pnr_image()
    assert np.isnan(tl.images.fromarray(movie()[:1]).pnr_image()).all()


def test_an_empty_partial_changes_nothing():
    frames = movie()
    offsets = tuple(neighbour_offsets(2, 8))
    for kind, argument in ((NeighbourCorrelation, offsets), (PeakToNoise, 1.0)):
        one, none = kind.of(frames, argument), kind.of(frames[:0], argument)
        for merged in (one.merge(none), none.merge(one)):
            assert np.array_equal(merged.result(), one.result(), equal_nan=True)
