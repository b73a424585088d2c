"""The prior of fields: evidence against densities, and what is chosen for movies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from thunderlike.images.moving_cells import moving_cells
from thunderlike.registration import PiecewiseRigid, align, load
from thunderlike.registration.prior import likeliest, log_evidence, smooth_fields


def test_lengths_start_above_the_spacing_and_end_at_half_of_the_frame():
    lengths = [field.length for field in smooth_fields((256, 200), (24, 20), None)]
    np.testing.assert_allclose(lengths, 32 * np.sqrt(2) ** np.arange(5))
    (only,) = smooth_fields((256, 200), (24, 20), 50)
    assert only.length == 50
    (least,) = smooth_fields((48, 48), (24, 24), None)
    assert least.length == 32


def test_large_frames_have_no_priors_of_many_modes():
    fields = smooth_fields((1024, 1024), (24, 24), None)
    assert max(field.size for field in fields) <= 512
    assert fields[0].length > 32
    assert smooth_fields((1024, 1024), (16, 16), None)[-1].length > 450


def made(seed=0, length=1):
    """Fields, a normal matrix and the information of frames of the field of a number."""
    fields = smooth_fields((96, 96), (16, 16), None)
    rng = np.random.default_rng(seed)
    nodes, deviation = len(fields[0].modes), 0.4
    weights = rng.uniform(20, 60, 2 * nodes)
    coupled = np.diag(weights) + 5 * (np.eye(2 * nodes, k=nodes) + np.eye(2 * nodes, k=-nodes))
    modes = fields[length].modes[:, 1:] * np.sqrt(fields[length].spread) * deviation
    moved = (rng.normal(size=(40, 2, modes.shape[1])) @ modes.T).reshape(40, -1)
    moved += np.repeat(rng.normal(0, 3, (40, 2)), nodes, axis=1)  # translations
    noise = rng.normal(size=moved.shape) @ np.linalg.cholesky(coupled).T
    return fields, sparse.csr_array(coupled), moved @ coupled + noise


def test_the_evidence_is_the_density_with_a_free_translation():
    fields, normal, information = made()
    deviations, dense = np.array([0.1, 0.4, 1.5]), normal.toarray()
    shared = np.kron(np.eye(2), np.ones((len(fields[0].modes), 1)))
    for field in fields[:2]:
        modes = np.kron(np.eye(2), field.modes[:, 1:] * np.sqrt(field.spread))
        expected = []
        for deviation in deviations:
            prior = deviation**2 * modes @ modes.T + 1e3 * shared @ shared.T
            covariance = dense + dense @ prior @ dense
            expected.append(stats.multivariate_normal(cov=covariance).logpdf(information).sum())
        found = log_evidence(field, deviations, normal, information)
        np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-3)


def test_translations_are_no_evidence_of_fields():
    fields, normal, information = made()
    nodes = len(fields[0].modes)
    moved = np.repeat(np.random.default_rng(2).normal(0, 9, (40, 2)), nodes, axis=1)
    deviations = np.geomspace(0.1, 2, 8)
    one = log_evidence(fields[0], deviations, normal, information)
    other = log_evidence(fields[0], deviations, normal, information + moved @ normal.toarray())
    np.testing.assert_allclose(other, one, rtol=1e-9)


@pytest.mark.parametrize("length", [0, 1])
def test_the_length_and_deviation_of_a_sample_are_found(length):
    fields, normal, information = made(seed=3, length=length)
    deviations = np.geomspace(0.05, 5, 48)
    field, deviation = likeliest(fields, deviations, normal, information)
    assert field is fields[length]
    assert deviation == pytest.approx(0.4, rel=0.15)


def test_the_longest_of_lengths_that_are_as_likely_is_chosen():
    fields, normal, information = made()
    field, deviation = likeliest(fields, np.array([1e-6]), normal, information)
    assert (field, deviation) == (fields[-1], 1e-6)


def test_movies_get_the_prior_that_they_show():
    found = {}
    for kind in ("smooth", "rough", "still"):
        movie = moving_cells((128, 128), count=30, photons=20, kind=kind, seed=5)
        found[kind] = PiecewiseRigid().reference(movie.images)
    assert found["rough"].length[0] < found["smooth"].length[0]
    assert found["rough"].deviation[0] > found["smooth"].deviation[0] > 0.3
    assert found["still"].deviation[0] < 0.1


def test_a_given_prior_is_kept():
    movie = moving_cells((96, 96), count=24, photons=20, kind="smooth", seed=5)
    reference = PiecewiseRigid(length=50, deviation=0.7).reference(movie.images)
    assert (reference.length[0], reference.deviation[0]) == (50, 0.7)
    assert PiecewiseRigid(length=50).fit(movie.images).grid.length == 50


def test_the_prior_stays_with_model_and_reference(tmp_path):
    movie = moving_cells((128, 128), count=24, photons=20, kind="rough", seed=5)
    model = PiecewiseRigid().fit(movie.images)
    assert model.grid.length != 60
    again = align(movie.images[3], model, "piecewise")
    assert again.grid.length == model.grid.length
    np.testing.assert_allclose(again.fields[0], model.fields[3], atol=1e-5)
    model.save(tmp_path / "model.h5")
    assert load(tmp_path / "model.h5") == model


def test_planes_have_one_length():
    planes = [
        moving_cells((96, 96), count=24, photons=20, kind=kind, seed=5).images
        for kind in ("rough", "smooth")
    ]
    model = PiecewiseRigid(axis=0).fit(np.stack(planes, axis=1))
    assert model.fields.shape[:3] == (24, 2, 2)
    assert len(model.deviation) == 2
