"""Results of thunder-registration 1.0.1, and each of its errors that is not repeated."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.registration import CrossCorr, Displacement, LocalDisplacement, RegistrationModel

SCENE = np.random.default_rng(5).poisson(20, (12, 17)).astype("int32")
VOLUME = np.random.default_rng(6).poisson(20, (4, 9, 10)).astype("int32")


def rolled(scene, deltas):
    return np.stack([np.roll(scene, delta, range(scene.ndim)) for delta in deltas])


def by_definition(frame, reference):
    """First maximum in C order of the periodic correlation, by the sum of products."""
    best, found = -np.inf, None
    for shift in np.ndindex(frame.shape):
        value = (frame * np.roll(reference, shift, range(frame.ndim))).sum()
        if value > best:
            best, found = value, shift
    return [d - n if d > n // 2 else d for d, n in zip(found, frame.shape, strict=True)]


@pytest.mark.parametrize("shape", [(5, 6), (4, 4), (7, 3), (3, 4, 5)])
def test_the_shift_is_the_first_maximum_of_the_periodic_correlation(shape):
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 4, (20, *shape))
    reference = rng.integers(0, 4, shape)
    found = CrossCorr().fit(frames, reference).toarray()
    assert found.tolist() == [by_definition(frame, reference) for frame in frames]


def test_shifts_and_corrections_on_every_engine(engine):
    deltas = [[1, 2], [-2, 1], [0, 0], [5, -7]]
    images = tl.images.fromarray(rolled(SCENE, deltas), engine=engine)
    model = CrossCorr().fit(images, SCENE)
    assert model.toarray().tolist() == deltas
    assert model.toarray().dtype == np.int64
    assert model.transformations == {(i,): Displacement(d) for i, d in enumerate(deltas)}
    assert repr(model.transformations[1,]) == "Displacement(delta=[-2, 1])"
    assert model[(3,)].delta == [5, -7]
    corrected = model.transform(images)
    assert corrected.dtype == np.int32
    expected = np.stack([model[(i,)].apply(f) for i, f in enumerate(rolled(SCENE, deltas))])
    np.testing.assert_array_equal(corrected.toarray(), expected)
    np.testing.assert_array_equal(expected[0, :-1, :-2], SCENE[:-1, :-2])
    np.testing.assert_array_equal(expected[0, -1], expected[0, -2])  # edges are repeated
    again = CrossCorr().fit_and_transform(images, reference=SCENE)
    np.testing.assert_array_equal(again.toarray(), expected)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_planes_alone(axis):
    planes = np.moveaxis(VOLUME, axis, 0)
    deltas = [[[n % 3 - 1, p % 4 - 1] for p in range(len(planes))] for n in range(3)]
    frames = np.stack(
        [
            np.moveaxis(
                np.stack([np.roll(p, d, (0, 1)) for p, d in zip(planes, row, strict=True)]), 0, axis
            )
            for row in deltas
        ]
    )
    kept = frames.copy()
    model = CrossCorr(axis=axis).fit(frames, VOLUME)
    assert model.toarray().tolist() == deltas
    first = model[(0,)]
    assert first == LocalDisplacement(deltas[0], axis % 3)
    corrected = model.transform(frames).toarray()
    assert corrected.shape == frames.shape
    np.testing.assert_array_equal(first.apply(frames[0]), corrected[0])
    inner = (slice(1, -1), slice(3, -3)) if axis == 0 else None
    if inner:
        np.testing.assert_array_equal(corrected[(0, slice(None), *inner)], VOLUME[:, *inner])
    np.testing.assert_array_equal(frames, kept)  # thunder's apply wrote into its input


def test_the_model_tells_its_length_and_algorithm():
    model = CrossCorr().fit(rolled(SCENE, [[0, 1]] * 3), SCENE)
    assert repr(model) == "RegistrationModel\nlength: 3\nalgorithm: CrossCorr"
    assert isinstance(model, RegistrationModel)
    assert (repr(CrossCorr()), repr(CrossCorr(axis=1))) == ("CrossCorr()", "CrossCorr(axis=1)")
    np.testing.assert_allclose(model.stderr, 12**-0.5)


# Errors of 1.0.1


def test_one_image_and_a_list_of_images_can_be_fitted():
    one = [np.roll(SCENE, 2, axis=1)]
    assert CrossCorr().fit(one, SCENE).toarray().tolist() == [[0, 2]]


def test_without_a_reference_one_is_built():
    scene = np.random.default_rng(0).poisson(50, (40, 44))
    deltas = [[n % 3 - 1, n % 5 - 2] for n in range(30)]
    frames = np.stack([scene[4 - a : 36 - a, 4 - b : 36 - b] for a, b in deltas])
    model = CrossCorr().fit(frames)
    moved = model.toarray() - np.array(deltas)
    assert np.abs(moved - np.median(moved, axis=0)).max() <= 1
    assert (
        moved == np.median(moved, axis=0)
    ).mean() > 0.7  # the reference is at a fraction of a pixel


def test_a_list_is_a_reference():
    assert CrossCorr().fit([SCENE], SCENE.tolist()).toarray().tolist() == [[0, 0]]


def test_an_inverted_frame_does_not_match():
    """The largest value counts, not the largest absolute one."""
    scene = np.zeros((16, 16))
    scene[3:6, 4:8] = 1
    frame = np.roll(-5 * scene, 5, axis=0) + np.roll(scene, -2, axis=1)
    assert CrossCorr().fit([frame], scene).toarray().tolist() == [[0, -2]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_pixels_do_not_hide_the_shift(value):
    frames = rolled(SCENE, [[2, -3]] * 2).astype(float)
    frames[0, 3:6, 4:9] = value
    model = CrossCorr().fit(frames, SCENE)
    assert model.toarray().tolist() == [[2, -3]] * 2
    assert not model.bad.any()


def test_a_frame_without_contrast_is_bad_and_stays():
    frames = np.stack([SCENE, np.full_like(SCENE, 7), np.roll(SCENE, 1, axis=0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = CrossCorr().fit(frames, SCENE)
    assert model.toarray().tolist() == [[0, 0], [0, 0], [1, 0]]
    assert model.bad.tolist() == [False, True, False]
    missing = CrossCorr().fit(np.full((1, 12, 17), np.nan), SCENE)
    assert (missing.toarray().tolist(), missing.bad.tolist()) == ([[0, 0]], [True])


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_images_is_refused(count):
    model = CrossCorr().fit(rolled(SCENE, [[0, 1]] * 2), SCENE)
    with pytest.raises(SpecError, match="the model has 2 frames"):
        model.transform(rolled(SCENE, [[0, 1]] * count))


def test_shapes_and_axes_are_checked():
    with pytest.raises(SpecError, match=r"reference has shape \(3, 3\)"):
        CrossCorr().fit([SCENE], np.ones((3, 3)))
    with pytest.raises(SpecError, match="no finite pixel"):
        CrossCorr().fit([SCENE], np.full(SCENE.shape, np.nan))
    with pytest.raises(SpecError, match="axis=2"):
        CrossCorr(axis=2).fit([SCENE], SCENE)
    with pytest.raises(SpecError, match="no parameter 'order'"):
        CrossCorr().set_params(order=1)
    assert CrossCorr().set_params(axis=1).get_params() == {"axis": 1}


def test_zeros_let_in_at_an_edge_attract_the_shift():
    """The definition is kept: Rigid has a taper and a search range."""
    scene = SCENE + 100
    frame = np.zeros_like(scene)
    frame[2:, 3:] = scene[:-2, :-3]
    assert CrossCorr().fit([frame], scene).toarray().tolist() == [by_definition(frame, scene)]


def test_a_model_survives_a_file(tmp_path):
    model = CrossCorr(axis=0).fit(VOLUME[np.newaxis], VOLUME)
    model.save(tmp_path / "model.h5")
    assert tl.registration.load(tmp_path / "model.h5") == model
