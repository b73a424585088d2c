"""Estimators of the caller, with the parts of scikit-learn that matter and without it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import SpecError, WorkerFailedError, WrongTypeError
from thunderlike.regression import CustomRegression, LinearRegression
from thunderlike.regression.custom import clone

T = 25


class Line:
    """Least squares for one record, with coefficients of shape (1, p)."""

    def __init__(self, scale=1.0):
        self.scale = scale
        self.fits = 0

    def fit(self, X, y):
        self.fits += 1
        betas = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
        self.intercept_, self.coef_ = betas[:1], self.scale * betas[np.newaxis, 1:]
        return self

    def predict(self, X):
        return self.intercept_ + X @ self.coef_[0]

    def score(self, X, y):
        return 1 - np.sum((y - self.predict(X)) ** 2) / np.sum((y - y.mean()) ** 2)


class Ridge:
    """The parts of scikit-learn's that decide that targets are fitted together."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def get_params(self, deep=True):
        return {"alpha": self.alpha}

    def __sklearn_tags__(self):
        return SimpleNamespace(target_tags=SimpleNamespace(multi_output=True))

    def fit(self, X, Y):
        assert Y.ndim == 2
        self.mean_ = X.mean(0)
        left = X - self.mean_
        gram = left.T @ left + self.alpha * np.eye(X.shape[1])
        self.coef_ = np.linalg.solve(gram, left.T @ (Y - Y.mean(0))).T
        self.intercept_ = Y.mean(0) - self.coef_ @ self.mean_
        return self

    def predict(self, X):
        return self.intercept_ + X @ self.coef_.T


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(T, 2))


@pytest.fixture
def y(X):
    rng = np.random.default_rng(2)
    return rng.normal(size=(2, 3, 2)) @ X.T + rng.normal(size=(2, 3, T)) + 5


def test_an_estimator_for_each_record(engine, X, y):
    series, estimator = tl.series.fromarray(y, engine=engine), Line()
    model = CustomRegression(estimator).fit(X, series)
    expected = LinearRegression().fit(X, y)
    assert (model.models.shape, model.models.dtype) == ((2, 3, 1), object)
    assert estimator.fits == 0
    for name in ("betas", "coef_", "intercept_", "scores", "betas_and_scores"):
        found, other = getattr(model, name), getattr(expected, name)
        assert found.index.tolist() == other.index.tolist()
        np.testing.assert_allclose(found.toarray(), other.toarray(), rtol=1e-8)
    predictions, scores = model.predict_and_score(X[:9], series[..., :9])
    np.testing.assert_allclose(predictions.toarray(), expected.predict(X[:9]).toarray(), rtol=1e-8)
    other = expected.score(X[:9], y[..., :9]).toarray()
    np.testing.assert_allclose(scores.toarray(), other, rtol=1e-8)
    assert (scores.shape, scores.dtype) == ((2, 3, 1), np.float64)
    _, scores = CustomRegression(estimator).fit_and_score(X, series)
    np.testing.assert_allclose(scores.toarray(), expected.scores.toarray(), rtol=1e-8)


def test_a_model_in_memory_scores_data_of_any_engine(engine, X, y):
    model = CustomRegression(Line()).fit(X, y)
    found = model.score(X, tl.series.fromarray(y, engine=engine))
    np.testing.assert_allclose(found.toarray(), model.scores.toarray())


def test_a_tile_of_targets_at_once(engine, X, y):
    y[1, 1, 3] = np.nan
    model = CustomRegression(Ridge(3.0)).fit(X, tl.series.fromarray(y, engine=engine))
    expected = tl.regression.Ridge(3.0).fit(X, y)
    for name in ("betas", "scores", "betas_and_scores"):
        found = getattr(model, name).toarray()
        np.testing.assert_allclose(found, getattr(expected, name).toarray(), rtol=1e-8)
    predicted = expected.predict(X).toarray()
    np.testing.assert_allclose(model.predict(X).toarray(), predicted)
    named = CustomRegression(Ridge(3.0)).fit({"a": X[:, 0], "b": X[:, 1]}, y)
    other = {"b": X[:, 1], "a": X[:, 0]}
    np.testing.assert_allclose(named.predict(other).toarray(), predicted)


def test_clones_have_the_parameters_and_nothing_fitted():
    class Own(Ridge):
        def __sklearn_clone__(self):
            return "its own"

    inner = Ridge(2.0)
    outer = Ridge(inner)
    copied = clone(outer)
    assert copied is not outer
    assert copied.alpha is not inner
    assert copied.alpha.alpha == 2.0
    assert clone(Own()) == "its own"
    fitted = Line(scale=[3])
    assert clone(fitted).scale == [3]
    assert clone(fitted).scale is not fitted.scale


def test_errors_of_estimators(engine, X, y):
    class Broken(Line):
        def fit(self, X, y):
            raise ZeroDivisionError("no fit")

        def score(self, X, y):
            raise ZeroDivisionError("no score")

    series = tl.series.fromarray(y, engine=engine)
    with pytest.raises(WorkerFailedError, match=r"no fit"):
        CustomRegression(Broken()).fit(X, series).betas.toarray()
    Broken.fit = Line.fit
    with pytest.raises(WorkerFailedError, match=r"Broken.score raised ZeroDivisionError: no score"):
        CustomRegression(Broken()).fit(X, series).scores.toarray()


def test_what_cannot_be_fitted(X, y):
    with pytest.raises(WrongTypeError, match=r"3 has no method fit\(X, y\)"):
        CustomRegression(3)
    with pytest.raises(SpecError, match="X has 24 samples, the series have 25"):
        CustomRegression(Line()).fit(X[1:], y)


def test_many_records_get_a_warning(X, y, monkeypatch):
    monkeypatch.setattr("thunderlike.regression.custom._MANY", 5)
    with pytest.warns(UserWarning, match="6 records, each with a call of Line: LinearRegression"):
        CustomRegression(Line()).fit(X, y)
