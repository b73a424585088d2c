"""What holds of any movie: shifts that are added, frames in another order, whole displacements."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

import thunderlike as tl
from thunderlike.config import config
from thunderlike.images.moving_cells import moving_cells
from thunderlike.registration import PiecewiseRigid, Rigid

SIZE, BORDER = 64, 14
FEW = settings(max_examples=8)
SHIFTS = arrays(np.int64, (5, 2), elements=st.integers(-4, 4))


@functools.cache
def scene():
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(2, SIZE + 2 * BORDER, SIZE + 2 * BORDER))
    return 200 + 80 * sum(
        ndimage.gaussian_filter(one, s) * s for one, s in zip(noise, (1.5, 5), strict=True)
    )


def frames(shifts):
    """Frames of the scene, whose content is moved by whole shifts."""
    starts = BORDER - np.asarray(shifts)
    return np.stack([scene()[y : y + SIZE, x : x + SIZE] for y, x in starts])


@functools.cache
def fitted(kind=Rigid):
    """A model whose reference others are registered to."""
    shifts = np.random.default_rng(5).integers(-3, 4, (24, 2))
    return kind(max_shift=9).fit(frames(shifts))


def found(images):
    return Rigid(max_shift=9).fit(images, fitted()).shifts


@FEW
@given(SHIFTS, st.tuples(st.integers(-3, 3), st.integers(-3, 3)))
def test_a_moved_scene_has_moved_shifts(shifts, offset):
    here = found(frames(shifts))
    np.testing.assert_allclose(here - here[0], shifts - shifts[0], atol=0.03)
    np.testing.assert_allclose(found(frames(shifts + offset)), here + offset, atol=0.03)


@FEW
@given(SHIFTS, st.floats(0.3, 3), st.floats(-1000, 1000))
def test_brightness_moves_nothing(shifts, gain, level):
    images = frames(shifts)
    np.testing.assert_allclose(found(gain * images + level), found(images), atol=0.03)


@FEW
@given(SHIFTS)
def test_corrected_frames_move_no_more(shifts):
    images = frames(shifts)
    corrected = Rigid(max_shift=9).fit(images, fitted()).transform(images)
    np.testing.assert_allclose(found(corrected), np.zeros((5, 2)), atol=0.05)


@functools.cache
def movie():
    return moving_cells((SIZE, SIZE), count=12, photons=5.0, kind="smooth", seed=8).images


@functools.cache
def motion(kind):
    return kind().fit(movie(), movie()[3])


@FEW
@given(st.permutations(range(12)), st.sampled_from([Rigid, PiecewiseRigid]))
def test_frames_in_another_order_have_the_bits_of_each(order, kind):
    model = kind().fit(movie()[list(order)], motion(kind))
    assert model == motion(kind)[list(order)]


@settings(max_examples=4)
@given(st.integers(1, 12), st.integers(1, 3), st.sampled_from(["local", "disk"]))
def test_any_division_of_the_movie_gives_the_same_bits(rows, workers, engine):
    with config(chunk_bytes=rows * movie()[0].nbytes, workers=workers):
        images = tl.images.fromarray(movie(), engine=engine)
        model = PiecewiseRigid().fit(images, motion(PiecewiseRigid))
        corrected = model.transform(images).toarray()
    assert model == motion(PiecewiseRigid)
    np.testing.assert_array_equal(corrected, model.transform(movie()).toarray())


@FEW
@given(
    SHIFTS,
    st.sampled_from(["uint8", "int16", "float32", "float64"]),
    st.sampled_from([0, 1, 3]),
    st.sampled_from([Rigid, PiecewiseRigid]),
)
def test_whole_displacements_move_values_and_none_change(shifts, dtype, order, kind):
    rng = np.random.default_rng(int(shifts.sum()) % 97)
    images = rng.integers(0, 200, (5, SIZE, SIZE)).astype(dtype)
    model = displaced(fitted(kind)[:5], shifts)
    pad = np.pad(images, ((0, 0), (4, 4), (4, 4)), mode="edge")
    moved = [one[4 + y :, 4 + x :][:SIZE, :SIZE] for one, (y, x) in zip(pad, shifts, strict=True)]
    np.testing.assert_array_equal(model.transform(images, order).toarray(), moved)
    still = displaced(model, np.zeros((5, 2)))
    np.testing.assert_array_equal(still.transform(images, order).toarray(), images)


def displaced(model, shifts):
    """The model with other shifts, of all pixels alike."""
    fields = model.coefficients
    if fields is not None:
        fields = np.zeros_like(fields)
        fields[..., 0] = shifts
    return dataclasses.replace(model, shifts=np.asarray(shifts, float), coefficients=fields)
