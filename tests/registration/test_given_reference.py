"""References that the caller gives: their brightness."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from thunderlike.images.examples import moving_cells
from thunderlike.registration import Rigid


@pytest.fixture(scope="module")
def movie():
    return moving_cells((128, 128), 30, photons=20.0, seed=3)


def test_a_reference_of_other_brightness_is_reported(movie):
    with pytest.warns(UserWarning, match="times as bright as the reference"):
        Rigid().fit(movie.images, movie.reference)  # of mean 1, frames of about 500


def test_a_reference_of_about_the_brightness_of_the_frames_is_accepted(movie):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Rigid().fit(movie.images, 100 + 800 * movie.reference)  # twice the photons
    assert np.sqrt(np.square(model.shifts - movie.shifts).mean()) < 0.1
