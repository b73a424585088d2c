from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.images.examples import moving_cells
from thunderlike.registration import bidirectional_offset, correct_bidirectional


def displaced(offset, photons=5.0, count=10):
    """A movie whose odd rows are displaced before photons are drawn."""
    still = moving_cells((64, 128), count, photons=1.0, kind="still", seed=2)
    rng = np.random.default_rng(0)
    movie = np.empty((count, 64, 128), np.uint16)
    for t in range(count):
        scene = still.expected(t)
        scene[1::2] = ndimage.shift(scene, (0, offset), order=3, mode="nearest")[1::2]
        movie[t] = 100 + 20 * rng.poisson(photons * np.maximum(scene, 0))
    return movie


@pytest.mark.parametrize("offset", [0.0, 0.3, -1.7, 2.5, 6.0])
def test_offsets_are_found(offset):
    assert bidirectional_offset(displaced(offset)) == pytest.approx(offset, abs=0.15)


def test_every_engine_finds_the_same_offset_and_corrects_lazily(engine):
    movie = displaced(-1.7)
    images = tl.images.fromarray(movie, labels=list("abcdefghij"), engine=engine)
    assert bidirectional_offset(images, nsample=6) == bidirectional_offset(movie, nsample=6)
    corrected = correct_bidirectional(images, -1.7)
    assert (corrected.dtype, list(corrected.labels)) == (np.uint16, list("abcdefghij"))
    values = corrected.toarray()
    np.testing.assert_array_equal(values, correct_bidirectional(movie, -1.7).toarray())
    np.testing.assert_array_equal(values[:, ::2], movie[:, ::2])
    assert bidirectional_offset(corrected) == pytest.approx(0, abs=0.2)


def test_volumes_have_the_offset_of_their_planes():
    movie = displaced(2.0, count=8)
    assert bidirectional_offset(movie.reshape(4, 2, 64, 128)) == bidirectional_offset(movie)
    planes = correct_bidirectional(movie.reshape(4, 2, 64, 128), 2.0).toarray()
    np.testing.assert_array_equal(
        planes.reshape(movie.shape), correct_bidirectional(movie, 2.0).toarray()
    )


def test_missing_pixels_are_left_out():
    movie = displaced(1.0).astype("float32")
    movie[:, :, :10] = np.nan
    assert bidirectional_offset(movie) == pytest.approx(1.0, abs=0.2)


def test_constant_frames_have_no_offset():
    assert bidirectional_offset(np.full((3, 8, 40), 7)) == 0


def test_algorithms_correct_it_on_the_way():
    movie = displaced(2.0, count=20)
    model = tl.registration.Rigid(bidirectional="auto").fit(movie)
    assert model.offset == bidirectional_offset(movie)
    same = tl.registration.Rigid(bidirectional=model.offset).fit(movie)
    np.testing.assert_array_equal(model.shifts, same.shifts)
    after = tl.registration.Rigid().fit(correct_bidirectional(movie, model.offset))
    np.testing.assert_array_equal(model.shifts, after.shifts)
    corrected = model.transform(movie)
    assert bidirectional_offset(corrected) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    ("shape", "options", "text"),
    [
        ((3, 2, 40), {}, "2 rows and 40 columns"),
        ((3, 8, 20), {}, "20 columns"),
        ((3, 8, 40), {"max_offset": 0}, "max_offset of 1"),
        ((3, 8, 40), {"nsample": 0}, "nsample=0 of 3 frames"),
        ((0, 8, 40), {}, "of 0 frames"),
    ],
)
def test_impossible_arguments_are_refused(shape, options, text):
    with pytest.raises(SpecError, match=text):
        bidirectional_offset(np.zeros(shape), **options)


def test_an_offset_is_finite():
    with pytest.raises(SpecError, match="finite number"):
        correct_bidirectional(np.zeros((1, 4, 8)), float("nan"))
