from __future__ import annotations

import pickle

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import KeyMissingError, SpecError
from thunderlike.images.examples import CELLS, FOLLOWERS, SHAPE, CalciumSource, calcium

FRAMES = 90


@pytest.fixture(scope="module")
def recording():
    return calcium(FRAMES, seed=3)


def test_without_a_name_the_names_are_returned(capsys):
    assert tl.images.fromexample() == ("calcium", "moving_cells")
    assert capsys.readouterr() == ("", "")


def test_another_name_is_refused_with_the_known_names():
    with pytest.raises(
        KeyMissingError, match=r"unknown example 'fish'; available: calcium, moving_cells"
    ):
        tl.images.fromexample("fish")


def test_the_example_is_the_default_recording(engine):
    images = tl.images.fromexample("calcium", engine=engine)
    assert (images.mode, images.shape, images.dtype) == (engine.name, (600, 128, 128), np.uint16)
    frame = images[599].toarray()
    np.testing.assert_array_equal(frame, calcium().images()[599].toarray())


def test_every_engine_draws_the_same_movie(engine, recording):
    drawn = recording.images(engine).toarray()
    assert (drawn.shape, drawn.dtype) == ((FRAMES, *SHAPE), np.uint16)
    calcium.cache_clear()
    again = np.empty_like(drawn)
    CalciumSource(FRAMES, 3).read(0, FRAMES, again)
    np.testing.assert_array_equal(drawn, again)


def test_an_image_depends_on_its_number_alone():
    source = CalciumSource(FRAMES, 3)
    whole, one = source.spec.empty(), source.spec.empty(1)
    source.read(0, FRAMES, whole)
    source.part(41, 42).read(41, 42, one)
    np.testing.assert_array_equal(one[0], whole[41])


def test_what_a_worker_is_sent_is_small():
    assert len(pickle.dumps(CalciumSource(10**6, 3).part(0, 10))) < 200


def test_another_seed_is_another_movie(recording):
    other = calcium(FRAMES, seed=4)
    assert not np.array_equal(other.behaviour, recording.behaviour)
    assert not np.array_equal(other.cells.centres, recording.cells.centres)


def test_cells_do_not_overlap_nor_touch_the_border(recording):
    centres, radii = recording.cells.centres, recording.cells.radii
    apart = np.hypot(*(centres[:, np.newaxis] - centres).T)
    np.fill_diagonal(apart, np.inf)
    assert (apart > radii + radii[:, np.newaxis]).all()
    inside = np.minimum(centres, np.array(SHAPE) - 1 - centres).min(axis=1)
    assert (inside > radii).all()


def test_a_third_of_the_cells_follow(recording):
    assert len(recording.cells) == CELLS == 42
    assert recording.cells.follows.sum() == FOLLOWERS == CELLS / 3


def test_masks_are_where_the_cells_are(recording):
    masks = recording.masks()
    assert masks.shape == (CELLS, *SHAPE)
    assert masks.sum(axis=0).max() == 1
    rows, columns = np.rint(recording.cells.centres).astype(int).T
    assert masks[np.arange(CELLS), rows, columns].all()
    np.testing.assert_allclose(masks.sum(axis=(1, 2)), np.pi * recording.cells.radii**2, rtol=0.1)


def test_cells_are_brighter_than_what_is_around(recording):
    mean = recording.images().mean().toarray()
    assert all(mean[mask].mean() > mean[recording.labels < 0].mean() for mask in recording.masks())


def test_detected_photons_have_shot_noise():
    recording = calcium(FRAMES, seed=5)
    seen = recording.images().toarray()[10].astype(float) - 100
    expected = recording.expected(10)
    np.testing.assert_allclose(((seen - expected) ** 2 / expected).mean(), 1, atol=0.05)


def test_the_movie_bleaches(recording):
    movie = recording.images()
    dark = recording.labels < 0
    first, last = (
        movie[span].mean().toarray()[dark].mean() for span in (slice(20), slice(-20, 90))
    )
    assert 0.75 < (last - 100) / (first - 100) < 0.9


def test_followers_follow_and_others_do_not():
    recording = calcium(3000, seed=1)
    correlation = np.array(
        [np.corrcoef(trace, recording.behaviour)[0, 1] for trace in recording.traces.T]
    )
    follows = recording.cells.follows
    assert correlation[follows].min() > 0.5
    assert np.abs(correlation[~follows]).max() < 0.25


def test_times_are_those_of_thirty_images_a_second(recording):
    assert recording.seconds[30] == pytest.approx(1)
    assert len(recording.seconds) == FRAMES


@pytest.mark.parametrize("frames", [2, 3])
def test_the_shortest_recordings_can_be_drawn(frames):
    recording = calcium(frames)
    assert recording.images().shape == (frames, *SHAPE)
    assert np.isfinite(recording.behaviour).all()


@pytest.mark.parametrize(("frames", "seed"), [(1, 1), (0, 1), (10, -1)])
def test_impossible_recordings_are_refused(frames, seed):
    with pytest.raises(SpecError, match="2 images or more"):
        calcium(frames, seed)


def test_the_shared_truth_cannot_be_written_to(recording):
    with pytest.raises(ValueError, match="read-only"):
        recording.behaviour[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        recording.cells.radii[0] = 1
