from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.images.examples import moving_cells
from thunderlike.registration import (
    Rigid,
    correlation_with_mean,
    crispness,
    pc_motion,
    plane_scores,
    residual_motion,
)


@pytest.fixture(scope="module")
def movie():
    return moving_cells((128, 128), 40, photons=20.0, seed=6)


@pytest.fixture(scope="module")
def corrected(movie):
    return Rigid().fit_and_transform(movie.images).toarray()


def test_correction_makes_the_mean_crisper(movie, corrected):
    assert crispness(corrected) > 1.05 * crispness(movie.images)
    assert correlation_with_mean(corrected).mean() > correlation_with_mean(movie.images).mean()


def test_crispness_is_the_mean_gradient_over_the_deviation():
    ramp = np.add.outer(np.arange(20.0), 2 * np.arange(30.0))
    part = ramp[2:-2, 3:-3]
    assert crispness(ramp) == pytest.approx(5**0.5 / part.std())
    assert crispness(ramp, crop=(slice(0, 10), slice(0, 10))) == pytest.approx(
        5**0.5 / ramp[:10, :10].std()
    )
    assert crispness(np.stack([ramp, ramp])) == crispness(ramp)
    assert np.isnan(crispness(np.ones((10, 10))))


def test_correlation_is_that_of_numpy(movie):
    frames = movie.images.astype(float)
    box = (slice(None), slice(13, -13), slice(13, -13))
    mean = frames.mean(axis=0)
    expected = [np.corrcoef(f.ravel(), mean[box[1:]].ravel())[0, 1] for f in frames[box]]
    np.testing.assert_allclose(correlation_with_mean(movie.images), expected, atol=1e-12)


def test_every_engine_gives_the_same_bits(engine, movie):
    images = tl.images.fromarray(movie.images, engine=engine)
    assert crispness(images) == crispness(movie.images)
    np.testing.assert_array_equal(
        correlation_with_mean(images), correlation_with_mean(movie.images)
    )
    stack = movie.images[:3].astype(float)
    np.testing.assert_array_equal(plane_scores(images, stack), plane_scores(movie.images, stack))
    np.testing.assert_array_equal(pc_motion(images, n=1), pc_motion(movie.images, n=1))


def test_missing_pixels_and_constant_frames():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(4, 16, 16))
    frames[1, 5, 5], frames[2] = np.nan, 3.0
    found = correlation_with_mean(frames)
    assert np.isfinite(found[[0, 1, 3]]).all()
    assert np.isnan(found[2])


def test_residual_motion_is_the_shift_that_is_left(movie, corrected):
    left = residual_motion(corrected)
    before = residual_motion(movie.images)
    assert left.shape == (40, 2)
    assert left.std() < 0.05 < 1 < before.std()
    assert np.abs(residual_motion(corrected, reference=corrected.mean(axis=0))).max() < 0.3


def test_components_move_before_and_not_after(movie, corrected):
    before, after = pc_motion(movie.images, n=3), pc_motion(corrected, n=3)
    assert before.shape == (3, 4)
    assert before[0, 0] > 1 > 0.2 > after[0, 0]
    assert (before[:, 2] >= before[:, 1]).all()


def test_bad_frames_are_left_out(movie):
    frames = movie.images.copy()
    bad = np.zeros(40, bool)
    bad[[4, 20]] = True
    frames[bad] = 60000
    kept = movie.images[~bad]
    np.testing.assert_array_equal(pc_motion(frames, n=2, bad=bad), pc_motion(kept, n=2))


def test_the_plane_of_a_frame_is_found():
    volume = moving_cells((6, 64, 64), 1, photons=50.0, kind="still", seed=1)
    stack = volume.reference
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 6, 25)
    frames = rng.poisson(5 * np.roll(stack[planes], (2, -1), (1, 2)))
    scores = plane_scores(frames, stack)
    assert scores.shape == (25, 6)
    assert (scores.argmax(axis=1) == planes).mean() > 0.9


def test_volumes_have_metrics():
    movie = moving_cells((4, 48, 48), 3, seed=2)
    assert crispness(movie.images) > 0
    assert correlation_with_mean(movie.images).shape == (3,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: pc_motion(np.zeros((19, 32, 32))), "give 20 frames or more"),
        (lambda: pc_motion(np.zeros((30, 32, 32)), n=30), "fewer components than frames"),
        (lambda: pc_motion(np.zeros((30, 32, 32)), bad=[1, 2]), "a bool for each of the 30"),
        (lambda: plane_scores(np.zeros((3, 32, 32)), np.zeros((4, 16, 16))), "does not fit"),
        (lambda: crispness(np.zeros((3, 32, 32)), crop=(slice(0, 1),)), "crop leaves"),
        (lambda: crispness(np.zeros((3, 32, 32)), crop=(slice(0, 9),) * 3), "3 slices"),
        (lambda: crispness(np.zeros((3, 32, 32), complex)), "complex128"),
    ],
)
def test_impossible_arguments_are_refused(call, text):
    with pytest.raises(SpecError, match=text):
        call()
