"""Translations of whole frames: accuracy, equal results, frames that are hard."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from thunderlike.config import config
from thunderlike.images.moving_cells import moving_cells
from thunderlike.registration import PiecewiseRigid, Rigid


@functools.cache
def movie(kind="rigid", shape=(96, 96), count=24, photons=20.0, seed=5):
    """A movie of cells; its arrays must not be written to."""
    found = moving_cells(shape, count=count, photons=photons, kind=kind, seed=seed)
    found.images.flags.writeable = False
    return found


def error(model, truth):
    """Root mean square error of the shifts along each axis; the reference may be elsewhere."""
    apart = model.shifts - truth
    return np.sqrt(np.square(apart - np.median(apart, axis=0)).mean(axis=0))


def scene(shape=(120, 120), seed=0):
    """A smooth image with structure at all scales above a pixel."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    noise = sum(ndimage.gaussian_filter(rng.normal(size=shape), s) * s for s in (1.2, 3, 8))
    return 100 + 40 * noise


def cropped(image, shifts, size=96):
    """Frames of an image at whole shifts of the content."""
    y, x = 12, 12
    return np.stack([image[y - a : y - a + size, x - b : x - b + size] for a, b in shifts])


def test_a_movie_is_registered_in_two_lines(engine):
    found = movie()
    model = Rigid().fit(found.toimages(engine))
    corrected = model.transform(found.toimages(engine))
    assert error(model, found.shifts).max() < 0.05
    assert corrected.shape == found.images.shape
    assert corrected.dtype == found.images.dtype
    before, after = (
        np.var(m.astype(float)[:, 16:-16, 16:-16].mean(0))
        for m in (found.images, corrected.toarray())
    )
    assert after > 1.02 * before
    assert not model.bad.any()
    assert np.abs(np.median(model.shifts, axis=0)).max() < 0.1


def test_engines_and_chunks_give_equal_bits(engine):
    found = movie(photons=2.0)
    expected = Rigid().fit(found.images)
    corrected = expected.transform(found.images).toarray()
    frame = found.images[0].nbytes
    for chunk in (frame, 3 * frame):
        with config(chunk_bytes=chunk):
            images = found.toimages(engine)
            model = Rigid().fit(images)
            assert model == expected
            np.testing.assert_array_equal(model.transform(images).toarray(), corrected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Rigid, PiecewiseRigid])
@pytest.mark.parametrize("workers", [1, 3, 4])
def test_any_number_of_workers_gives_equal_bits(kind, workers):
    found = movie()
    with config(workers=workers, chunk_bytes=8 * found.images[0].nbytes):
        assert kind().fit(found.images) == _fitted(kind)


@functools.cache
def _fitted(kind):
    return kind().fit(movie().images)
