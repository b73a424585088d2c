"""Ridge regression of every record, against normal equations and refits."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.regression import LinearRegression, Ridge

T, P = 40, 5
ALPHAS = (0.01, 1.0, 30.0, 1e4)


@pytest.fixture(name="X")
def design():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(T, P))
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]
    return X + 7


@pytest.fixture
def y(X):
    rng = np.random.default_rng(2)
    strength = np.geomspace(0.01, 3, 12)[:, np.newaxis]
    return strength * (rng.normal(size=(12, P)) @ (X - 7).T) + rng.normal(size=(12, T)) + 100


def solved(X, y, alpha, *, intercept=True):
    """Intercept and coefficients of each record by the normal equations."""
    mean, level = (X.mean(0), y.mean(1)) if intercept else (np.zeros(P), np.zeros(len(y)))
    centred = X - mean
    gram = centred.T @ centred + alpha * np.eye(X.shape[1])
    coef = np.linalg.solve(gram, centred.T @ (y - level[:, None]).T).T
    return np.column_stack([level - coef @ mean, coef])


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.1, 100])
def test_it_solves_the_normal_equations(engine, X, y, intercept, alpha):
    series = tl.series.fromarray(y, engine=engine)
    model = Ridge(alpha, fit_intercept=intercept).fit(X, series)
    expected = solved(X, y, alpha, intercept=intercept)
    np.testing.assert_allclose(model.betas.toarray(), expected, rtol=1e-8, atol=1e-9)
    predicted = expected @ np.column_stack([np.ones(T), X]).T
    np.testing.assert_allclose(model.predict(X).toarray(), predicted, rtol=1e-9)
    score = 1 - ((y - predicted) ** 2).sum(1) / ((y - y.mean(1, keepdims=True)) ** 2).sum(1)
    np.testing.assert_allclose(model.scores.toarray(), score, rtol=1e-8)
    np.testing.assert_allclose(model.score(X, series).toarray(), score, rtol=1e-8)


def left_out(X, y, alpha):
    """Sum of squared errors of each record by a fit without each sample."""
    total = 0
    for t in range(T):
        keep = np.arange(T) != t
        betas = solved(X[keep], y[:, keep], alpha)
        total = total + (y[:, t] - betas @ np.r_[1, X[t]]) ** 2
    return total


def test_the_penalty_of_each_record_has_the_least_leave_one_out_error(engine, X, y):
    errors = np.column_stack([left_out(X, y, alpha) for alpha in ALPHAS])
    best = np.array(ALPHAS)[errors.argmin(axis=1)]
    assert len(set(best)) > 2
    model = Ridge("cv", alphas=ALPHAS).fit(X, tl.series.fromarray(y, engine=engine)).tolocal()
    assert np.array_equal(model.alpha.toarray(), best)
    for row in range(12):
        expected = solved(X, y[row : row + 1], best[row])[0]
        np.testing.assert_allclose(model.betas.toarray()[row], expected, rtol=1e-7, atol=1e-9)
    press = errors.min(axis=1)
    sst = ((y - y.mean(1, keepdims=True)) ** 2).sum(1)
    np.testing.assert_allclose(model.cv_rsquared.toarray(), 1 - press / sst, rtol=1e-8)


def test_one_penalty_for_all_records(engine, X, y):
    errors = np.column_stack([left_out(X, y, alpha) for alpha in ALPHAS])
    sst = ((y - y.mean(1, keepdims=True)) ** 2).sum(1, keepdims=True)
    best = ALPHAS[int((errors / sst).sum(0).argmin())]
    series = tl.series.fromarray(np.vstack([y, np.full((1, T), 3.0)]), engine=engine)
    model = Ridge("cv", alphas=ALPHAS, per_target=False).fit(X, series)
    assert (model.alpha.toarray() == best).all()


def test_the_bits_do_not_depend_on_engine_and_division(engine, X, y):
    here = Ridge("cv").fit(X, y).results.toarray()
    there = Ridge("cv").fit(X, tl.series.fromarray(y, engine=engine)).results.toarray()
    assert np.array_equal(here, there)
    assert np.array_equal(Ridge("cv").fit(X, y[5]).results.toarray(), here[5])


def test_degrees_of_freedom_and_limits(X, y):
    weak, strong = Ridge(1e-9).fit(X, y), Ridge(1e12).fit(X, y)
    np.testing.assert_allclose(weak.dof.toarray(), T - P - 1, rtol=1e-9)
    np.testing.assert_allclose(strong.dof.toarray(), T - 1, rtol=1e-6)
    expected = LinearRegression().fit(X, y)
    np.testing.assert_allclose(weak.betas.toarray(), expected.betas.toarray(), rtol=1e-5)
    np.testing.assert_allclose(weak.rsquared.toarray(), expected.rsquared.toarray(), rtol=1e-8)


def test_more_regressors_than_samples_and_nan(engine):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(10, 30)), rng.normal(size=(4, 10))
    y[2, 3] = np.nan
    model = Ridge(2.0).fit(X, tl.series.fromarray(y, engine=engine))
    expected = solved(X, y, 2.0)
    np.testing.assert_allclose(model.betas.toarray()[[0, 1, 3]], expected[[0, 1, 3]], rtol=1e-8)
    assert np.isnan(model.results.toarray()[2]).all()
    assert Ridge("cv").fit(X, np.zeros((0, 10))).betas.shape == (0, 31)


def test_a_mask_and_standardized_regressors(X, y):
    keep = np.arange(T) % 3 > 0
    model = Ridge(5.0, mask=keep, standardize=True).fit(X, y)
    standard = (X - X[keep].mean(0)) / X[keep].std(0)
    expected = solved(standard[keep], y[:, keep], 5.0)
    np.testing.assert_allclose(model.betas.toarray(), expected, rtol=1e-8, atol=1e-9)
    predicted = expected @ np.column_stack([np.ones(T), standard]).T
    np.testing.assert_allclose(model.predict(X).toarray(), predicted, rtol=1e-8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "the penalties .0. must be positive: LinearRegression has none"),
        ({"alpha": np.nan}, "must be positive"),
        ({"alpha": "best"}, "alpha='best' must be a number or 'cv'"),
        ({"alpha": "cv", "alphas": []}, "must be a number or 'cv', alphas numbers"),
    ],
)
def test_penalties_that_make_no_sense(options, message):
    with pytest.raises(SpecError, match=message):
        Ridge(**options)
