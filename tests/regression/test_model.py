"""Fitted models: thunder-regression's names and results, predictions, scores, engines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import thunderlike as tl
from thunderlike.errors import NotOnEngineError, SpecError
from thunderlike.regression import (
    GLM,
    CustomRegression,
    Design,
    FastLinearRegression,
    LinearRegression,
    Ridge,
)
from thunderlike.regression.model import RecordModel

T = 30


class Line:
    """Least squares by an estimator of the caller."""

    def fit(self, X, y):
        columns = np.column_stack([np.ones(len(X)), X])
        self.intercept_, *self.coef_ = np.linalg.lstsq(columns, y, rcond=None)[0]
        return self

    def predict(self, X):
        return self.intercept_ + X @ np.array(self.coef_)

    def score(self, X, y):
        return score(y, self.predict(X))


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(T, 2))


@pytest.fixture
def y(X):
    rng = np.random.default_rng(2)
    return rng.normal(size=(3, 4, 2)) @ X.T + rng.normal(size=(3, 4, T)) + 5


@pytest.fixture
def series(y, engine):
    return tl.series.fromarray(y, engine=engine)


def score(y, predicted):
    return 1 - ((y - predicted) ** 2).sum(-1) / ((y - y.mean(-1, keepdims=True)) ** 2).sum(-1)


@pytest.mark.parametrize("algorithm", [LinearRegression, FastLinearRegression])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_names_of_thunder_regression(series, X, y, algorithm, intercept):
    model = algorithm(fit_intercept=intercept).fit(X, series)
    columns = np.column_stack([np.full(T, float(intercept)), X])
    betas = np.linalg.lstsq(columns, y.reshape(12, T).T, rcond=None)[0].T.reshape(3, 4, 3)
    predicted = betas @ columns.T
    np.testing.assert_allclose(model.betas.toarray(), betas, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.coef_.toarray(), betas[..., 1:], rtol=1e-9)
    np.testing.assert_allclose(model.intercept_.toarray(), betas[..., 0], atol=1e-12)
    expected = score(y, predicted)
    both = model.betas_and_scores.toarray()
    np.testing.assert_allclose(both, np.dstack([betas, expected]), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.predict(X).toarray(), predicted, rtol=1e-9)
    np.testing.assert_allclose(model.score(X, series).toarray(), expected, rtol=1e-9)
    predictions, scores = model.predict_and_score(X, series)
    np.testing.assert_allclose(predictions.toarray(), predicted, rtol=1e-9)
    assert (scores.shape, scores.dtype) == ((3, 4, 1), np.float64)
    fitted, scores = algorithm(fit_intercept=intercept).fit_and_score(X, series)
    np.testing.assert_allclose(scores.toarray(), expected, rtol=1e-9)
    np.testing.assert_array_equal(fitted.betas.toarray(), model.betas.toarray())


def test_models_are_made_on_demand(series, X, y):
    model = LinearRegression().fit(X, series)
    models = model.models
    assert (models.shape, models.dtype) == ((3, 4, 1), object)
    one = models[1, 2].toarray().item()
    np.testing.assert_allclose(one.coef_, model.coef_.toarray()[1, 2])
    assert one.intercept_ == pytest.approx(model.intercept_.toarray()[1, 2])
    np.testing.assert_allclose(one.predict(X), model.predict(X).toarray()[1, 2])
    assert one.score(X, y[1, 2]) == pytest.approx(model.scores.toarray()[1, 2])


def test_other_times_and_other_data(series, X, y, engine):
    model = Ridge(3.0).fit(X, series)
    other = np.random.default_rng(5).normal(size=(7, 2))
    expected = model.betas.toarray() @ np.column_stack([np.ones(7), other]).T
    np.testing.assert_allclose(model.predict(other).toarray(), expected, rtol=1e-9)
    seen = expected + np.random.default_rng(6).normal(size=expected.shape)
    found = model.score(other, tl.series.fromarray(seen, engine=engine))
    np.testing.assert_allclose(found.toarray(), score(seen, expected), rtol=1e-8)
    assert model.predict(other[0:1, :]).shape == (3, 4, 1)


def test_data_in_other_partitions_than_the_model(series, X, y, engine):
    model = LinearRegression().fit(X, series)
    other = tl.series.fromarray(y, engine=engine).repartition(3)
    np.testing.assert_array_equal(model.score(X, other).toarray(), model.score(X, series).toarray())


def test_a_model_in_memory_takes_data_of_any_engine(X, y, engine):
    model = LinearRegression().fit(X, y)
    found = model.score(X, tl.series.fromarray(y, engine=engine))
    assert found.mode == tl.series.fromarray(y, engine=engine).mode
    np.testing.assert_array_equal(found.toarray(), model.score(X, y).toarray())


@pytest.mark.spark
def test_a_model_on_spark_refuses_data_elsewhere(X, y, spark_context):
    model = LinearRegression().fit(X, tl.series.fromarray(y, engine=spark_context))
    with pytest.raises(NotOnEngineError, match="collections on different engines, local and spark"):
        model.score(X, y)


def test_constant_and_strange_records(X, engine):
    y = np.zeros((3, T))
    y[1], y[2, 4] = 1, np.nan
    model = LinearRegression().fit(X, tl.series.fromarray(y, engine=engine))
    assert np.array_equal(model.score(X, model.predict(X)).toarray()[:2], [1, 1])
    found = LinearRegression().fit(X, np.arange(T) * 1.0).score(X, np.ones((1, T)))
    assert found.toarray() == 0
    assert np.isnan(model.score(X, tl.series.fromarray(y, engine=engine)).toarray()[2])


@pytest.mark.parametrize(
    "algorithm",
    [
        LinearRegression(),
        LinearRegression(groups="each", cv=3),
        Ridge(3.0, standardize=True),
        GLM(),
        CustomRegression(Line()),
    ],
    ids=["linear", "partial", "ridge", "glm", "custom"],
)
def test_named_regressors_are_matched_by_name(X, y, algorithm):
    y = np.exp(y / 10).round()
    names = ["speed", "place[0]", "place[1]"]
    columns = np.column_stack([X, X[:, 0] ** 2])
    model = algorithm.fit({"speed": columns[:, 0], "place": columns[:, 1:]}, y)
    expected, scores = model.predict(columns).toarray(), model.score(columns, y).toarray()
    one = model.models[1, 2].toarray().item()
    table = pd.DataFrame(columns, columns=names)
    others = [
        {"place": columns[:, 1:], "speed": columns[:, 0]},
        table[names[::-1]],
        Design(columns[:, [2, 0, 1]], ("place[1]", "speed", "place[0]"), {}),
    ]
    for other in others:
        np.testing.assert_allclose(model.predict(other).toarray(), expected, rtol=1e-12)
        np.testing.assert_allclose(model.score(other, y).toarray(), scores, rtol=1e-9)
        if isinstance(one, RecordModel):
            np.testing.assert_allclose(one.predict(other), expected[1, 2])
            assert one.score(other, y[1, 2]) == pytest.approx(scores[1, 2])
    for other, message in [
        (table[names[1:]], "X lacks the regressors 'speed': give speed, place"),
        (table.assign(light=1), "X has the unknown regressors 'light': give speed, place"),
        (table.rename(columns={"speed": "Speed"}), "lacks .* 'speed' and has .* 'Speed'"),
        (dict(zip(["x0", "x1", "x2"], columns.T, strict=True)), "unknown regressors 'x0', 'x1'"),
    ]:
        with pytest.raises(SpecError, match=message):
            model.predict(other)
        with pytest.raises(SpecError, match=message):
            model.score(other, y)


def test_a_model_of_an_array_takes_other_names_by_position(X, y):
    model = LinearRegression().fit(X, y)
    expected = model.predict(X).toarray()
    for other in ({"b": X[:, 0], "a": X[:, 1]}, pd.DataFrame(X), {"x1": X[:, 1], "x0": X[:, 0]}):
        np.testing.assert_array_equal(model.predict(other).toarray(), expected)
    with pytest.raises(SpecError, match="X has 1 regressors, the model 2: x0, x1"):
        model.predict({"x1": X[:, 1]})
    # Those of an array are made up, even where the model has the same ones.
    named = LinearRegression().fit({"x1": X[:, 0], "x0": X[:, 1]}, y)
    for other in (X, Design.of(X)):
        np.testing.assert_array_equal(named.predict(other).toarray(), expected)


def test_arguments_that_do_not_fit(X, y):
    model = LinearRegression().fit({"speed": X[:, 0], "place": X[:, 1]}, y)
    with pytest.raises(SpecError, match="X has 1 regressors, the model 2: speed, place"):
        model.predict(X[:, 0])
    with pytest.raises(SpecError, match="X has 29 samples, the series have 30"):
        model.score(X[1:], y)
    with pytest.raises(SpecError, match=r"y has the base shape \(12,\), the model \(3, 4\)"):
        model.score(X, y.reshape(12, T))
    with pytest.raises(SpecError, match="NaN or infinite values in the regressors 'x0'"):
        model.predict(X * (np.nan, 1))
