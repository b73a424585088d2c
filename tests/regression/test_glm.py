"""Generalised linear models of every record, against likelihood equations and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, gammaln
from scipy.stats import norm

import thunderlike as tl
from thunderlike.errors import SpecError
from thunderlike.regression import GLM

T = 80


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(T, 2)) * (1, 30) + (0, 500)


def counts(X):
    rng = np.random.default_rng(2)
    rates = np.exp(1 + rng.normal(size=(6, 2)) * 0.4 @ ((X - X.mean(0)) / X.std(0)).T)
    return rng.poisson(rates).astype(np.int16)


def answers(X):
    rng = np.random.default_rng(2)
    odds = rng.normal(size=(6, 2)) @ ((X - X.mean(0)) / X.std(0)).T
    return (rng.random((6, T)) < expit(odds)).astype(np.uint8)


def likeliest(columns, y, family):
    """Coefficients and standard errors that maximise the likelihood."""

    def loss(betas):
        predictors = columns @ betas
        if family == "poisson":
            return np.sum(np.exp(predictors) - y * predictors + gammaln(y + 1))
        return np.sum(np.logaddexp(0, predictors) - y * predictors)

    def slope(betas):
        mean = np.exp(columns @ betas) if family == "poisson" else expit(columns @ betas)
        return columns.T @ (mean - y)

    found = minimize(loss, np.zeros(columns.shape[1]), jac=slope, options={"gtol": 1e-9}).x
    mean = np.exp(columns @ found) if family == "poisson" else expit(columns @ found)
    weights = mean if family == "poisson" else mean * (1 - mean)
    return found, np.sqrt(np.diag(np.linalg.inv(columns.T @ (weights[:, None] * columns))))


@pytest.mark.parametrize(("family", "make"), [("poisson", counts), ("binomial", answers)])
@pytest.mark.parametrize("intercept", [True, False])
def test_it_maximises_the_likelihood(engine, X, family, make, intercept):
    y = make(X)
    if not intercept:
        X = (X - X.mean(0)) / X.std(0)
    model = GLM(family, fit_intercept=intercept).fit(X, tl.series.fromarray(y, engine=engine))
    model = model.tolocal()
    standard = (X - X.mean(0)) / X.std(0)
    columns = np.column_stack([np.ones(T), standard]) if intercept else standard
    betas, se, p = (
        getattr(model, name).toarray()[:, not intercept :] for name in ("betas", "se", "pvalues")
    )
    assert (model.converged.toarray() == 1).all()
    assert model.iterations.toarray().max() < 12
    for row in range(6):
        expected, errors = likeliest(columns, y[row], family)
        scale = np.r_[[1] * intercept, X.std(0)]
        np.testing.assert_allclose(
            (betas[row] * scale)[intercept:], expected[intercept:], atol=2e-5
        )
        np.testing.assert_allclose((se[row] * scale)[intercept:], errors[intercept:], rtol=1e-4)
        np.testing.assert_allclose(p[row], 2 * norm.sf(np.abs(betas[row] / se[row])), rtol=1e-9)
        predictors = columns @ expected
        mean = np.exp(predictors) if family == "poisson" else expit(predictors)
        np.testing.assert_allclose(model.predict(X).toarray()[row], mean, rtol=1e-4)


def test_score_is_the_explained_deviance(engine, X):
    y = counts(X)
    model = GLM().fit(X, tl.series.fromarray(y, engine=engine))
    mean = model.predict(X).toarray()
    level = y.mean(1, keepdims=True)

    def deviance(mean):
        return 2 * np.sum(np.where(y > 0, y * np.log(np.maximum(y, 1) / mean), 0) - y + mean, 1)

    expected = 1 - deviance(mean) / deviance(level)
    np.testing.assert_allclose(model.scores.toarray(), expected, rtol=1e-9)
    series = tl.series.fromarray(y, engine=engine)
    np.testing.assert_allclose(model.score(X, series).toarray(), expected, rtol=1e-9)
    np.testing.assert_allclose(model.deviance.toarray(), deviance(mean), rtol=1e-9)


def test_a_record_does_not_depend_on_others(engine, X):
    y = counts(X).astype(np.float64)
    y[2] = 0  # has no maximum of the likelihood
    y[4, 3], y[5, 3] = np.nan, -1
    model = GLM().fit(X, tl.series.fromarray(y, engine=engine)).tolocal()
    assert np.isnan(model.results.toarray()[4:]).all()
    for row in range(4):
        alone = GLM().fit(X, y[row]).results.toarray()
        assert np.array_equal(alone, model.results.toarray()[row], equal_nan=True)
    assert np.array_equal(model.converged.toarray()[:2], [1, 1])


def test_too_few_iterations_and_options(X):
    model = GLM(max_iter=1).fit(X, counts(X))
    assert (model.converged.toarray() == 0).all()
    assert (model.iterations.toarray() == 1).all()
    keep = np.arange(T) % 4 > 0
    masked = GLM(mask=keep, standardize=True).fit(X, counts(X))
    expected = GLM().fit(X[keep], counts(X)[:, keep])
    np.testing.assert_allclose(
        masked.coef_.toarray(), expected.coef_.toarray() * X[keep].std(0), rtol=1e-7
    )
    with pytest.raises(SpecError, match="family='gamma' must be one of poisson, binomial"):
        GLM("gamma")
    with pytest.raises(SpecError, match="max_iter=0 must be a whole number from 1"):
        GLM(max_iter=0)
    with pytest.raises(SpecError, match="65 regressors: GLM takes 64, CustomRegression more"):
        GLM().fit(np.random.default_rng(0).normal(size=(T, 65)), counts(X))
