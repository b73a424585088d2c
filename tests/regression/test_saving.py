"""Files of fitted models: equal predictions and statistics after a round trip."""

from __future__ import annotations

import json

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import FormatError, NotFoundError, SpecError
from thunderlike.regression import GLM, CustomRegression, LinearRegression, Ridge, TuningCurves
from thunderlike.regression.files import SavedRegression

T = 24


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(T, 2)) + 100


@pytest.fixture
def y():
    values = np.random.default_rng(2).poisson(4, (2, 3, T)).astype(np.float64)
    values[1, 2] = np.nan
    return values


ALGORITHMS = {
    "linear": LinearRegression(groups="each", cv=4, n_permutations=5, prewhiten=0.3),
    "standardized": LinearRegression(standardize=True),
    "omitting": LinearRegression(nan="omit"),
    "ridge": Ridge("cv"),
    "poisson": GLM(),
}
STATISTICS = ("betas", "scores", "tvalues", "pvalues", "f_pvalues", "partial_pvalues")
STATISTICS += ("cv_rsquared", "permutation_pvalues", "alpha", "zvalues", "converged")


def statistics(model):
    """All statistics that a model has."""
    for name in STATISTICS:
        try:
            found = getattr(model, name, None)
        except SpecError:
            continue
        if found is not None:
            yield name, found


@pytest.mark.parametrize("suffix", ["json", "h5"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_model_comes_back_as_it_was(engine, tmp_path, X, y, name, suffix):
    path = tmp_path / f"model.{suffix}"
    there = tl.series.fromarray(y, engine=engine)
    model = ALGORITHMS[name].fit({"speed": X[:, 0], "place": X[:, 1]}, there)
    model.save(path)
    model = model.tolocal()
    found = tl.regression.load(path)
    assert (type(found), found.names) == (type(model), model.names)
    assert np.array_equal(found.predict(X).toarray(), model.predict(X).toarray(), equal_nan=True)
    assert np.array_equal(found.score(X, y).toarray(), model.score(X, y).toarray(), equal_nan=True)
    seen = dict(statistics(model))
    assert len(seen) > 2
    for statistic, expected in seen.items():
        again = getattr(found, statistic)
        assert np.array_equal(again.toarray(), expected.toarray(), equal_nan=True)
        assert again.index.tolist() == expected.index.tolist()


@pytest.mark.parametrize("suffix", ["json", "h5"])
@pytest.mark.parametrize("version", [1, 2])
def test_regressors_are_matched_by_name_after_a_round_trip(tmp_path, X, y, suffix, version):
    path = tmp_path / f"model.{suffix}"
    named, array = {"speed": X[:, 0], "place": X[:, 1]}, {"b": X[:, 0], "a": X[:, 1]}
    for given in (named, X):
        model = LinearRegression().fit(given, y)
        expected = model.predict(X).toarray()
        saved = SavedRegression.of(model)
        if version == 1:
            fields = saved.to_fields()
            del fields["named"]
            saved = SavedRegression.from_fields(1, fields)
        saved.save(path)
        found = tl.regression.load(path)
        other = dict(reversed(named.items())) if given is named else array
        assert np.array_equal(found.predict(other).toarray(), expected, equal_nan=True)


@pytest.mark.parametrize("suffix", ["json", "h5"])
def test_tuning_curves_come_back_as_they_were(tmp_path, y, suffix):
    model = TuningCurves(np.arange(T) % 6 * 60, circular=360, n_permutations=3).fit(y)
    model.save(tmp_path / f"tuning.{suffix}")
    found = tl.regression.load(tmp_path / f"tuning.{suffix}")
    for name in ("curve", "sem", "preferred", "kappa", "pvalues", "permutation_pvalues"):
        expected = getattr(model, name)
        assert np.array_equal(getattr(found, name).toarray(), expected.toarray(), equal_nan=True)
    assert found.count.tolist() == model.count.tolist()


def test_files_that_are_no_regressions(tmp_path, X, y):
    path = tmp_path / "model.json"
    with pytest.raises(NotFoundError):
        tl.regression.load(path)
    path.write_text("{}")
    with pytest.raises(FormatError, match=r"model\.json"):
        tl.regression.load(path)
    LinearRegression().fit(X, y).save(path)
    content = json.loads(path.read_text())
    fields = content["dict"]["fields"]["dict"]
    fields["kind"] = "Forest"
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="holds a model of the unknown kind 'Forest'"):
        tl.regression.load(path)
    fields["kind"], fields["center"] = "LinearModel", 3
    del fields["facts"]
    path.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="are missing or invalid"):
        tl.regression.load(path)
    with pytest.raises(SpecError, match=r"ends in \.json, \.h5 or \.hdf5"):
        LinearRegression().fit(X, y).save(tmp_path / "model.txt")


def test_estimators_of_the_caller_are_refused(tmp_path, X, y):
    class Mean:
        def fit(self, X, y):
            return self

    model = CustomRegression(Mean()).fit(X, y)
    with pytest.raises(SpecError, match="estimators are Python objects, and files of models hold"):
        model.save(tmp_path / "model.h5")
