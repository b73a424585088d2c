"""thunder-regression's names, what its tests check, and its defects, in our own words."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.compat.regression import MODULES
from thunderlike.errors import NotOnEngineError, SpecError


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name):
    module = importlib.import_module(name)
    assert {key: getattr(module, key) for key in MODULES[name]} == MODULES[name]


def test_a_process_that_has_the_package_itself_is_told():
    lines = (
        "import sys, types\n"
        "sys.modules['regression'] = types.ModuleType('regression')\n"
        "try:\n"
        "    import thunderlike.compat.regression\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("AlreadyImportedError regression is imported already")


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(10, 2))


@pytest.fixture
def y():
    return np.random.default_rng(2).normal(size=(4, 10))


def norms(X):
    return np.sqrt(((X - X.mean(0)) ** 2).sum(0))


# The ten defects of thunder-regression 1.0.0


def test_1_normalize_needs_no_argument_that_libraries_removed(X, y):
    from regression import LinearRegression

    plain = LinearRegression().fit(X, y).betas.toarray()
    scaled = LinearRegression(normalize=True).fit(X, y)
    np.testing.assert_allclose(scaled.betas.toarray(), plain, rtol=1e-12)
    by_norm = LinearRegression().fit(X / norms(X), y).coef_.toarray() / norms(X)
    np.testing.assert_allclose(scaled.coef_.toarray(), by_norm, rtol=1e-9)


def test_2_there_is_no_python_object_for_each_record(engine, X):
    from regression import LinearRegression

    many = np.random.default_rng(0).normal(size=(5000, 10)).astype(np.float32)
    model = LinearRegression().fit(X, tl.series.fromarray(many, engine=engine))
    assert model.results.dtype == np.float64
    assert model.results.length < 20


def test_3_nearly_equal_regressors_are_fitted_precisely(X):
    from regression import FastLinearRegression

    X[:, 1] = X[:, 0] + 1e-5 * X[:, 1]
    truth = 1000 + X @ [1e7, -1e7]
    fitted = FastLinearRegression().fit(X, truth).predict(X).toarray()
    np.testing.assert_allclose(fitted, truth, atol=1e-6)


def test_4_a_constant_record_has_a_defined_score(engine, X):
    from regression import FastLinearRegression, LinearRegression

    constant = tl.series.fromarray(np.full((2, 10), 3.5), engine=engine)
    for algorithm in (LinearRegression, FastLinearRegression):
        model = algorithm().fit(X, constant)
        assert model.scores.toarray().tolist() == [1, 1]
        assert model.score(X, constant).toarray().tolist() == [1, 1]


def test_5_scores_have_one_shape_and_dtype_on_every_engine(engine, X, y):
    from regression import LinearRegression

    series = tl.series.fromarray(y.reshape(2, 2, 10), engine=engine)
    predictions, scores = LinearRegression().fit(X, series).predict_and_score(X, series)
    assert (predictions.shape, predictions.dtype) == ((2, 2, 10), np.float64)
    assert (scores.shape, scores.dtype) == ((2, 2, 1), np.float64)


def test_6_a_design_of_another_length_is_found_at_once(engine, X, y):
    from regression import LinearRegression

    with pytest.raises(SpecError, match="X has 9 samples, the series have 10"):
        LinearRegression().fit(X[:9], tl.series.fromarray(y, engine=engine))


@pytest.mark.spark
def test_7_and_8_engines_that_do_not_fit_are_named(spark_context, X, y):
    from regression import LinearRegression

    there = tl.series.fromarray(y, engine=spark_context)
    with pytest.raises(NotOnEngineError, match="collections on different engines, local and spark"):
        LinearRegression().fit(X, there).score(X, y)
    here = LinearRegression().fit(X, y)
    np.testing.assert_array_equal(here.score(X, there).toarray(), here.score(X, y).toarray())


def test_9_coefficients_with_an_axis_more_are_flattened(engine, X, y):
    from regression import CustomRegression

    class Row:
        def fit(self, X, y):
            betas = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
            self.intercept_, self.coef_ = betas[0], betas[np.newaxis, 1:]
            return self

    series = tl.series.fromarray(y, engine=engine)
    found = CustomRegression(Row()).fit(X, series).betas.toarray()
    expected = tl.regression.LinearRegression().fit(X, y).betas.toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_10_models_of_a_linear_regression_are_made_on_demand(engine, X, y):
    from regression import LinearRegression

    model = LinearRegression().fit(X, tl.series.fromarray(y, engine=engine))
    one = model.models[2].toarray().item()
    np.testing.assert_allclose(np.r_[one.intercept_, one.coef_], model.betas.toarray()[2])
    assert one.score(X, y[2]) == pytest.approx(model.scores.toarray()[2])
