from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.images import cell_movies as module
from thunderlike.images.cell_movies import FAMILIES, cell_movie

SHAPE, COUNT = (64, 72), 40


def drawn(**changes):
    return cell_movie(**{"shape": SHAPE, "count": COUNT, "cells": 12, "seed": 3} | changes)


def test_every_engine_draws_the_same_movie(engine):
    found = drawn(kind="rigid").toimages(engine).toarray()
    assert (found.shape, found.dtype) == ((COUNT, *SHAPE), np.uint16)
    module._movie.cache_clear()
    np.testing.assert_array_equal(found, drawn(kind="rigid").images)


def test_a_range_of_frames_is_drawn_alone():
    source = drawn().source
    part = source.spec.empty(3)
    source.read(20, 23, part)
    np.testing.assert_array_equal(part, drawn().images[20:23])
    assert len(pickle.dumps(source)) < 700


def test_families_are_drawn():
    for name, arguments in FAMILIES.items():
        movie = cell_movie(**arguments | {"count": 4})
        assert len(movie.centres) == arguments.get("cells", 60), name
        assert movie.images.shape == (4, *arguments.get("shape", (128, 128)))


def test_footprints_are_where_the_cells_are():
    movie = drawn(doughnuts=0.5)
    assert movie.footprints.max(axis=1).toarray() == pytest.approx(1)
    for mask, centre, radius in zip(movie.masks, movie.centres, movie.radii, strict=True):
        assert ndimage.label(mask)[1] == 1
        np.testing.assert_array_equal(ndimage.binary_fill_holes(mask), mask)
        if (centre > 8).all() and (centre < np.array(SHAPE) - 9).all():
            assert np.argwhere(mask).mean(axis=0) == pytest.approx(centre, abs=0.5)
            assert mask.sum() == pytest.approx(np.pi * radius**2, rel=0.25)
    apart = np.linalg.norm(movie.centres[:, None] - movie.centres, axis=2)
    assert apart[~np.eye(12, dtype=bool)].min() >= 7


def test_a_spike_adds_its_amplitude():
    movie = drawn(neuropil=0.0, bleaching=0.0, count=200)
    active = np.stack([movie.expected(t) - movie.expected(0) for t in range(200)])
    expected = (movie.calcium - movie.calcium[:, :1]) * movie.amplitudes[:, None]
    np.testing.assert_allclose(
        active.reshape(200, -1), expected.T @ movie.footprints.toarray(), atol=1e-9
    )


@pytest.mark.parametrize("rise", [0.0, 0.1])
def test_calcium_is_the_response_to_spikes(rise):
    movie = drawn(rise=rise, rate=0.1, count=300, fs=20.0, tau=0.5)
    t = np.arange(60) / 20
    alone = np.exp(-t / 0.5) - (np.exp(-t / rise) if rise else 0)
    alone /= alone.max()
    for spikes, calcium in zip(movie.spikes, movie.calcium, strict=True):
        expected = np.convolve(spikes, alone)[:300]
        np.testing.assert_allclose(calcium[150:], expected[150:], atol=0.02 * calcium.max())


def test_spikes_have_the_stated_rate_and_the_first_frame_is_like_the_others():
    movie = drawn(count=3000, cells=40, shape=(128, 128))
    assert movie.spikes.sum() / (40 * 200) == pytest.approx(0.25 * np.exp(0.125), rel=0.25)
    assert movie.calcium[:, :10].mean() == pytest.approx(movie.calcium.mean(), rel=0.5)


def test_neuropil_has_the_stated_deviation_and_is_smaller_inside_of_cells():
    movie = drawn(count=400, bleaching=0.0, cells=20)
    values = np.stack([movie.neuropil(t) for t in range(400)])
    covered = movie.footprints.sum(axis=0).reshape(SHAPE)
    deviation = values.std(axis=0)
    assert deviation[covered < 0.01].mean() == pytest.approx(6, rel=0.15)
    share = deviation / ndimage.gaussian_filter(deviation, 2)
    assert share[covered > 0.9].mean() < share[covered < 0.01].mean()
    inside = movie._inside(movie.share)[covered > 0.99]
    assert inside == pytest.approx(0.7, abs=0.01)


def test_noise_is_that_of_photons_and_the_detector():
    movie = drawn(cells=0, neuropil=0.0, dtype="float32", bleaching=0.5)
    counts = movie.images.astype(float)
    expected = np.stack([movie.expected(t) for t in range(COUNT)])
    assert expected[0] == pytest.approx(50)
    assert expected[-1] == pytest.approx(25)
    assert ((counts - expected) ** 2).mean() == pytest.approx(expected.mean() + 4, rel=0.02)


def test_frames_that_move_show_the_still_scene_displaced():
    movie, still = drawn(kind="rigid", texture=0.3), drawn(texture=0.3)
    assert np.abs(movie.shifts).max() > 1
    for t in (0, 17, COUNT - 1):
        moved = ndimage.shift(movie.expected(t), -movie.shifts[t], order=5)
        inside = (slice(8, -8),) * 2
        assert np.abs(moved - still.expected(t))[inside].max() < 0.5


def test_volumes_and_dtypes():
    volume = cell_movie((6, 32, 32), 5, cells=4, kind="rigid", dtype="int16")
    assert (volume.images.shape, volume.images.dtype) == ((5, 6, 32, 32), np.int16)
    assert volume.masks.any(axis=(2, 3)).sum(axis=1).max() >= 3
    bright = drawn(dtype="uint8", offset=230.0, count=2).images
    assert (bright.max(), bright.dtype) == (255, np.uint8)


def test_a_movie_is_an_ordinary_collection():
    images = drawn().toimages("disk")
    assert isinstance(images, tl.images.Images)
    assert images.mean().toarray().mean() == pytest.approx(drawn().images.mean())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shape": (64,)}, "must be"),
        ({"shape": (8, 64)}, "at least 16 pixels"),
        ({"cells": 500}, "do not fit"),
        ({"radius": (5.0, 4.0)}, "radius=5.0"),
        ({"neuropil": 20.0}, "neuropil=20.0"),
        ({"bleaching": 1.0}, "bleaching=1.0"),
        ({"fs": 0.0}, "fs=0.0"),
        ({"kind": "smooth"}, "kind 'smooth'"),
        ({"dtype": "float64"}, "dtype 'float64'"),
    ],
)
def test_impossible_movies_are_refused(changes, text):
    with pytest.raises(SpecError, match=text):
        drawn(**changes)
