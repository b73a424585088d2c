from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.images import moving_cells as module
from thunderlike.images.examples import MovingCellsSource, moving_cells

SHAPE, COUNT = (64, 72), 12
KINDS = ["rigid", "smooth", "rough", "bumps", "still"]


def test_every_engine_draws_the_same_movie(engine):
    movie = moving_cells(SHAPE, COUNT, kind="smooth", seed=3)
    drawn = movie.toimages(engine).toarray()
    assert (drawn.shape, drawn.dtype) == ((COUNT, *SHAPE), np.uint16)
    module._movie.cache_clear()
    np.testing.assert_array_equal(drawn, moving_cells(SHAPE, COUNT, kind="smooth", seed=3).images)


def test_the_example_is_the_default_movie():
    images = tl.images.fromexample("moving_cells", engine="disk")
    assert (images.shape, images.dtype) == ((60, 256, 256), np.uint16)
    frame = moving_cells().source.spec.empty(1)
    moving_cells().source.read(59, 60, frame)
    np.testing.assert_array_equal(images[59].toarray(), frame[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [SHAPE, (128, 96)])
def test_a_frame_shows_the_reference_where_the_content_moved(kind, shape):
    """frame(r + u(r)) = reference(r), where the movie that stays still has the same cells."""
    movie, still = (moving_cells(shape, 30, kind=k, seed=5) for k in (kind, "still"))
    nodes = np.stack(np.meshgrid(*movie.nodes, indexing="ij"))
    for t in (0, 11, 29):
        frame, expected = movie.expected(t), still.expected(t)
        found = ndimage.map_coordinates(frame, nodes + movie.fields[t], order=5)
        inside = (slice(2, -2),) * 2
        there = expected[:: module._SPACING, :: module._SPACING]
        apart = np.abs(found - there)[inside]
        # Splines of splines, whose errors grow where rings have edges of a pixel.
        assert apart.mean() < 0.01 * expected.std()
        assert apart.max() < 0.15 * expected.std()


def test_a_rigid_volume_shows_the_reference_where_the_content_moved():
    shape = (10, 40, 40)
    movie, still = (moving_cells(shape, 6, kind=k, seed=2) for k in ("rigid", "still"))
    assert movie.shifts.shape == (6, 3)
    assert movie.fields.shape == (6, 3, 1, 5, 5)
    moved = ndimage.shift(movie.expected(4), -movie.shifts[4], order=3)
    inside = (slice(2, -2), slice(6, -6), slice(6, -6))
    assert np.corrcoef(moved[inside].ravel(), still.expected(4)[inside].ravel())[0, 1] > 0.99


def test_shifts_are_the_mean_of_the_fields():
    movie = moving_cells(SHAPE, COUNT, kind="bumps", seed=1)
    pixels = tuple(np.arange(n, dtype=float) for n in SHAPE)
    full = np.stack([movie.motion.at(t, pixels) for t in range(COUNT)])
    np.testing.assert_allclose(movie.shifts, full.mean(axis=(2, 3)), atol=1e-9)
    np.testing.assert_allclose(movie.fields, full[:, :, ::8, ::8], atol=1e-12)


def test_all_kinds_of_a_seed_show_one_scene():
    references = [moving_cells(SHAPE, COUNT, kind=kind, seed=7).reference for kind in KINDS]
    for reference in references[1:]:
        np.testing.assert_array_equal(reference, references[0])
    assert not np.array_equal(moving_cells(SHAPE, COUNT, seed=8).reference, references[0])


@pytest.mark.parametrize("kind", KINDS)
def test_fields_do_not_fold(kind):
    for seed in range(3):
        fields = moving_cells(SHAPE, 40, kind=kind, seed=seed).fields
        slopes = [np.abs(np.diff(fields, axis=axis)).max() / module._SPACING for axis in (-2, -1)]
        assert max(slopes) < 0.45


def test_the_still_movie_has_no_motion_and_the_others_stay_within_a_tenth_of_a_side():
    assert not moving_cells(SHAPE, COUNT, kind="still").fields.any()
    for seed in range(10):
        shifts = moving_cells((64, 64), 200, seed=seed).shifts
        assert 1 < np.abs(shifts).max() < 6.4


def test_photons_set_the_mean_and_the_noise():
    movie = moving_cells(SHAPE, COUNT, photons=3.0, kind="still", dtype="float32", seed=2)
    counts = (movie.images.astype(float) - 100) / 20
    expected = np.stack([movie.expected(t) for t in range(COUNT)])
    assert movie.expected(0).mean() == pytest.approx(3, rel=0.6)  # gain and events
    assert movie.reference.mean() == pytest.approx(1, abs=0.01)
    assert ((counts - expected) ** 2).mean() == pytest.approx(expected.mean() + 0.25, rel=0.05)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_dtypes_hold_the_same_movie(dtype):
    movie, other = (moving_cells(SHAPE, 2, dtype=d) for d in (dtype, "float32"))
    assert movie.images.dtype == dtype
    assert np.abs(movie.images.astype(float) - other.images).max() <= 0.5 + 1e-3


def test_a_bright_movie_is_clipped_and_does_not_wrap():
    movie = moving_cells(SHAPE, 1, photons=3000.0, dtype="int16").images
    assert movie.max() == 32767
    assert movie.min() > 0


def test_a_worker_receives_little():
    source = MovingCellsSource(SHAPE, 10**6, 5.0, "rigid", 0, "uint16")
    assert len(pickle.dumps(source)) < 300


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shape": (64,)}, "must be"),
        ({"shape": (64, 16)}, "at least 32 pixels"),
        ({"count": 0}, "at least 1"),
        ({"photons": 0.0}, "above 0"),
        ({"seed": -1}, "at least 0"),
        ({"kind": "wild"}, "kind 'wild'"),
        ({"dtype": "uint8"}, "dtype uint8"),
    ],
)
def test_impossible_movies_are_refused(options, text):
    with pytest.raises(SpecError, match=text):
        moving_cells(**options)
