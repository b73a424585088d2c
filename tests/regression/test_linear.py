"""Linear regression of every record, against numpy and scipy one record at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import thunderlike as tl
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.regression import FastLinearRegression, LinearRegression

T, P = 60, 3


@pytest.fixture(name="X")
def design():
    return np.random.default_rng(1).normal(size=(T, P)) * (1, 100, 0.01) + (0, 5, 1)


@pytest.fixture
def y(X):
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(4, 5, P)) / X.std(axis=0)
    return (weights @ X.T + 3 * rng.normal(size=(4, 5, T)) + 300).astype(np.float32)


@pytest.fixture
def series(y, engine):
    return tl.series.fromarray(y, labels=np.arange(20).reshape(4, 5), engine=engine)


def lstsq(X, y, *, intercept=True):
    """Betas, residual sums of squares, and degrees of freedom, by numpy."""
    columns = np.column_stack([np.ones(len(X)), X]) if intercept else X
    betas, *_ = np.linalg.lstsq(columns, y.reshape(-1, len(X)).T.astype(np.float64), rcond=None)
    errors = y.reshape(-1, len(X)).astype(np.float64) - (columns @ betas).T
    betas = betas.T if intercept else np.column_stack([np.zeros(betas.shape[1]), betas.T])
    return betas, (errors**2).sum(axis=1), len(X) - columns.shape[1]


def flat(series):
    return series.toarray(squeeze=False).reshape(-1, series.length)


@pytest.mark.parametrize("intercept", [True, False])
def test_it_equals_lstsq_and_the_formulas(series, X, y, intercept):
    model = LinearRegression(fit_intercept=intercept).fit(X, series).tolocal()
    betas, sse, dof = lstsq(X, y, intercept=intercept)
    np.testing.assert_allclose(flat(model.betas), betas, rtol=1e-9, atol=1e-10)
    columns = np.column_stack([np.ones(T), X]) if intercept else X
    se = np.sqrt(sse[:, None] / dof * np.diag(np.linalg.inv(columns.T @ columns)))
    np.testing.assert_allclose(flat(model.se)[:, not intercept :], se, rtol=1e-8)
    t = betas[:, not intercept :] / se
    np.testing.assert_allclose(flat(model.tvalues)[:, not intercept :], t, rtol=1e-7)
    found = flat(model.pvalues)[:, not intercept :]
    np.testing.assert_allclose(found, 2 * stats.t.sf(np.abs(t), dof), rtol=1e-6, atol=1e-300)
    values = y.reshape(20, T).astype(np.float64)
    sst = ((values - (values.mean(1, keepdims=True) if intercept else 0)) ** 2).sum(1)
    np.testing.assert_allclose(flat(model.rsquared)[:, 0], 1 - sse / sst, rtol=1e-9)
    F = (sst - sse) / P / (sse / dof)
    np.testing.assert_allclose(flat(model.fvalues)[:, 0], F, rtol=1e-8)
    np.testing.assert_allclose(flat(model.f_pvalues)[:, 0], stats.f.sf(F, P, dof), rtol=1e-6)
    np.testing.assert_allclose(flat(model.scale)[:, 0], sse / dof, rtol=1e-9)
    adjusted = 1 - (sse / dof) / (sst / (dof + P))
    np.testing.assert_allclose(flat(model.rsquared_adj)[:, 0], adjusted, rtol=1e-8)


def test_one_regressor_equals_linregress(series, X, y):
    model = LinearRegression().fit(X[:, 0], series).tolocal()
    expected = [stats.linregress(X[:, 0], one) for one in y.reshape(20, T).astype(np.float64)]
    betas = [(one.intercept, one.slope) for one in expected]
    np.testing.assert_allclose(flat(model.betas), betas, rtol=1e-8)
    se = [(one.intercept_stderr, one.stderr) for one in expected]
    np.testing.assert_allclose(flat(model.se), se, rtol=1e-8)
    np.testing.assert_allclose(flat(model.pvalues)[:, 1], [o.pvalue for o in expected], rtol=1e-6)
    np.testing.assert_allclose(
        flat(model.rsquared)[:, 0], [o.rvalue**2 for o in expected], rtol=1e-8
    )


def test_results_are_series_with_names_and_labels(series, X):
    model = LinearRegression().fit({"speed": X[:, 0], "place": X[:, 1:]}, series)
    assert model.betas.shape == (4, 5, P + 1)
    assert model.betas.index.tolist() == ["intercept", "speed", "place[0]", "place[1]"]
    assert model.coef_.index.tolist() == ["speed", "place[0]", "place[1]"]
    assert model.betas.labels[2, 1] == 11
    assert model.betas.mode == series.mode
    assert model.rsquared.shape == model.intercept_.shape == (4, 5, 1)
    assert "speed, place[0]" in repr(model)


def test_the_bits_do_not_depend_on_engine_and_division(engine, X, y):
    options = {"groups": "each", "cv": 4, "n_permutations": 3, "prewhiten": "ar1"}
    here = LinearRegression(**options).fit(X, tl.series.fromarray(y))
    there = LinearRegression(**options).fit(X, tl.series.fromarray(y, engine=engine))
    assert np.array_equal(here.results.toarray(), there.results.toarray())
    one = LinearRegression(**options | {"prewhiten": here.rho}).fit(X, y[2, 3])
    assert np.array_equal(one.results.toarray(), here.results.toarray()[2, 3])


def test_nothing_is_computed_before_it_is_needed(engine, X):
    def fail(values):
        raise ZeroDivisionError

    series = tl.series.fromarray(np.ones((3, T)), engine=engine)
    if not engine.lazy:
        return
    broken = series.map(fail, value_shape=(T,), dtype="float64")
    model = LinearRegression(cv=3).fit(X, broken)
    with pytest.raises(tl.errors.WorkerFailedError):
        model.predict(X).toarray()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", ">f8"])
def test_dtypes_and_empty_collections(engine, X, dtype):
    values = np.random.default_rng(3).integers(0, 200, (3, T)).astype(dtype)
    model = LinearRegression().fit(X, tl.series.fromarray(values, engine=engine))
    assert model.betas.dtype == np.float64
    np.testing.assert_allclose(flat(model.betas), lstsq(X, values)[0], rtol=1e-8, atol=1e-9)


def test_no_records_and_a_single_one(X):
    nothing = LinearRegression(cv=3, groups="each").fit(X, np.zeros((0, T)))
    assert nothing.betas.shape == (0, P + 1)
    assert nothing.cv_rsquared.toarray(squeeze=False).shape == (0, 1)
    assert nothing.predict(X).shape == (0, T)
    assert LinearRegression().fit(X, np.arange(T)).betas.shape == (1, P + 1)


def test_constant_records_and_records_with_nan(engine, X):
    values = np.random.default_rng(3).normal(size=(5, T))
    values[1], values[2] = 0.1, 0
    values[3, 7], values[4, 8] = np.nan, np.inf
    model = LinearRegression(cv=3).fit(X, tl.series.fromarray(values, engine=engine)).tolocal()
    betas = flat(model.betas)
    np.testing.assert_array_equal(betas[1:3], [[0.1, 0, 0, 0], [0, 0, 0, 0]])
    assert flat(model.rsquared)[1:3].tolist() == flat(model.scores)[1:3].tolist() == [[1], [1]]
    assert np.isnan(flat(model.results)[3:]).all()
    assert np.isfinite(flat(model.results)[0]).all()
    others = LinearRegression(cv=3).fit(X, values[:1])
    assert np.array_equal(flat(others.results), flat(model.results)[:1])


def test_a_constant_record_that_is_not_fitted_scores_0(X):
    model = LinearRegression(fit_intercept=False).fit(X, np.full((1, T), 3.0))
    assert model.scores.toarray() == 0


# designs


def test_collinear_columns_get_0_and_a_warning(engine, X, y):
    more = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.full(T, 7.0)])
    with pytest.warns(UserWarning, match=r"the regressors .*'x4' are linear combinations"):
        model = LinearRegression().fit(more, tl.series.fromarray(y, engine=engine))
    betas = flat(model.betas)
    assert (betas[:, 5] == 0).all()
    assert ((betas == 0).sum(axis=1) == 2).all()
    assert np.isnan(flat(model.tvalues)[betas == 0]).all()
    np.testing.assert_allclose(flat(model.rsquared), flat(LinearRegression().fit(X, y).rsquared))
    np.testing.assert_allclose(
        flat(model.predict(more)), flat(LinearRegression().fit(X, y).predict(X)), rtol=1e-9
    )


def test_nearly_collinear_columns_keep_their_digits(y):
    rng = np.random.default_rng(4)
    x = rng.normal(size=T)
    X = np.column_stack([x, x + 1e-5 * rng.normal(size=T)])
    truth = 1000 + X @ [1e6, -1e6]
    fitted = FastLinearRegression().fit(X, truth[np.newaxis]).predict(X).toarray()
    np.testing.assert_allclose(fitted, truth, atol=1e-7)


def test_a_huge_offset_of_regressors_costs_no_digits(X, y):
    X = np.round(X * 2**20) / 2**20  # X + 1e8 is exact
    near, far = LinearRegression().fit(X, y), LinearRegression().fit(X + 1e8, y)
    np.testing.assert_allclose(flat(far.coef_), flat(near.coef_), rtol=1e-9)
    np.testing.assert_allclose(flat(far.predict(X + 1e8)), flat(near.predict(X)), rtol=1e-9)
    exact = np.arange(float(T))
    model = LinearRegression().fit(exact + 1e8, 3 * exact + 5)
    assert model.coef_.toarray() == pytest.approx(3, rel=1e-12)


def test_a_huge_offset_of_records_costs_no_digits(X, y):
    values = y.astype(np.float64)
    near, far = LinearRegression().fit(X, values), LinearRegression().fit(X, values + 1e8)
    np.testing.assert_allclose(flat(far.rsquared), flat(near.rsquared), rtol=1e-7)
    np.testing.assert_allclose(flat(far.tvalues)[:, 1:], flat(near.tvalues)[:, 1:], rtol=1e-6)


def test_units_of_a_regressor_do_not_decide_the_rank(y):
    X = np.random.default_rng(1).normal(size=(T, 2)) * (1, 1e-20)
    betas = flat(LinearRegression().fit(X, y).betas)
    np.testing.assert_allclose(betas[:, 2] * 1e-20, lstsq(X * (1, 1e20), y)[0][:, 2], rtol=1e-8)


def test_normalize_and_standardize(X, y):
    plain = LinearRegression().fit(X, y)
    np.testing.assert_allclose(
        flat(LinearRegression(normalize=True).fit(X, y).betas), flat(plain.betas)
    )
    model = LinearRegression(standardize=True).fit(X, y)
    np.testing.assert_allclose(flat(model.coef_), flat(plain.coef_) * X.std(axis=0))
    np.testing.assert_allclose(flat(model.intercept_)[:, 0], y.reshape(20, T).mean(1), rtol=1e-6)
    np.testing.assert_allclose(flat(model.predict(X[:7])), flat(plain.predict(X[:7])))
    np.testing.assert_allclose(flat(model.tvalues)[:, 1:], flat(plain.tvalues)[:, 1:])


def test_a_mask_leaves_samples_out(engine, X, y):
    keep = np.arange(T) % 5 != 2
    X[2] = np.nan
    model = LinearRegression(mask=keep).fit(X, tl.series.fromarray(y, engine=engine))
    expected = LinearRegression().fit(X[keep], y[..., keep])
    np.testing.assert_allclose(flat(model.results), flat(expected.results), rtol=1e-8)


def test_nan_omit_fits_a_record_to_its_own_samples(engine, X):
    values = np.random.default_rng(3).normal(size=(6, T))
    values[1, 7] = values[2, :9] = values[4, :9] = np.nan
    values[5, 3:] = np.nan
    model = LinearRegression(nan="omit").fit(X, tl.series.fromarray(values, engine=engine))
    model = model.tolocal()
    betas = flat(model.betas)
    for row in range(5):
        keep = np.isfinite(values[row])
        expected = LinearRegression().fit(X[keep], values[row, keep])
        np.testing.assert_allclose(betas[row], expected.betas.toarray(), rtol=1e-9)
        np.testing.assert_allclose(flat(model.pvalues)[row], expected.pvalues.toarray())
    assert np.isnan(betas[5]).all()


@pytest.mark.parametrize("intercept", [True, False])
def test_nan_omit_takes_the_rank_of_the_samples_of_a_record(engine, intercept):
    rng = np.random.default_rng(4)
    X = np.column_stack([rng.normal(size=20), np.zeros(20), rng.normal(size=20)])
    X[7, 1] = 1
    X[3:, 2] = 2 * X[3:, 0] + X[3:, 1]
    values = rng.normal(size=(5, 20))
    values[0, 7] = values[1, :3] = values[2, [0, 1, 2, 7]] = np.nan  # of rank 2, 2 and 1
    values[4, 2] = np.inf
    algorithm = LinearRegression(intercept, nan="omit")
    model = algorithm.fit(X, tl.series.fromarray(values, engine=engine)).tolocal()
    for row in range(4):
        keep = np.isfinite(values[row])
        columns = X[keep][:, [[0, 2], [0, 1], [0], [0, 1, 2]][row]]
        expected = LinearRegression(intercept).fit(columns, values[row, keep])
        for name in ("fvalues", "f_pvalues", "rsquared_adj", "rsquared", "scale"):
            found = getattr(model, name).toarray()[row]
            np.testing.assert_allclose(found, getattr(expected, name).toarray(), rtol=1e-8)
        kept = model._fields["dof"]
        assert flat(model.results)[row, kept] == flat(expected.results)[0, expected._fields["dof"]]
    assert np.isnan(flat(model.results)[4]).all()
    assert model.rank == 3


# partial models, cross-validation, permutations


@pytest.mark.parametrize("intercept", [True, False])
def test_partial_models_are_differences_of_sums_of_squares(X, y, intercept):
    groups = {"first": [0], "others": [1, "x2"]}
    algorithm = LinearRegression(fit_intercept=intercept, groups=groups)
    model = algorithm.fit(X, y)
    _, full, dof = lstsq(X, y, intercept=intercept)
    for number, rest in enumerate(([1, 2], [0])):
        _, reduced, _ = lstsq(X[:, rest], y, intercept=intercept)
        added = reduced - full
        assert model.partial_rsquared.index[number] == ("first", "others")[number]
        np.testing.assert_allclose(
            flat(model.partial_rsquared)[:, number], added / reduced, rtol=1e-7
        )
        F = added / len([[0], [1, 2]][number]) / (full / dof)
        np.testing.assert_allclose(flat(model.partial_fvalues)[:, number], F, rtol=1e-7)
        p = stats.f.sf(F, len([[0], [1, 2]][number]), dof)
        np.testing.assert_allclose(flat(model.partial_pvalues)[:, number], p, rtol=1e-5)


def test_partial_f_of_one_regressor_is_the_square_of_its_t(engine, X, y):
    model = LinearRegression(groups="each").fit(X, tl.series.fromarray(y, engine=engine))
    np.testing.assert_allclose(flat(model.partial_fvalues), flat(model.tvalues)[:, 1:] ** 2)
    np.testing.assert_allclose(flat(model.partial_pvalues), flat(model.pvalues)[:, 1:], rtol=1e-7)


def held_out(X, y, edges, gap):
    """Sum of squared errors of predictions by refitting, and of squares about the mean."""
    press = 0
    for start, stop in edges:
        train = np.ones(len(X), bool)
        train[max(start - gap, 0) : stop + gap] = False
        betas, *_ = lstsq(X[train], y[:, train])
        predicted = betas @ np.vstack([np.ones(stop - start), X[start:stop].T])
        press = press + ((y[:, start:stop] - predicted) ** 2).sum(axis=1)
    return press, ((y - y.mean(1, keepdims=True)) ** 2).sum(1)


@pytest.mark.parametrize(("cv", "gap"), [("loo", 0), ("loo", 2), (7, 0), (7, 3), (2, 1)])
def test_cross_validation_equals_refitting(engine, X, y, cv, gap):
    values = y.reshape(20, T).astype(np.float64)
    count = T if cv == "loo" else cv
    edges = [(T * k // count, T * (k + 1) // count) for k in range(count)]
    press, sst = held_out(X, values, edges, gap)
    series = tl.series.fromarray(y, engine=engine)
    model = LinearRegression(cv=cv, gap=gap).fit(X, series)
    np.testing.assert_allclose(flat(model.cv_rsquared)[:, 0], 1 - press / sst, rtol=1e-9)


def test_a_fold_that_alone_determines_a_coefficient_is_an_error(y):
    X = np.zeros((T, 2))
    X[:, 0], X[:5, 1] = np.arange(T), 1
    with pytest.raises(SpecError, match=r"cv=12, gap=0: without the samples 0 to 4 the regressors"):
        LinearRegression(cv=12).fit(X, y)
    with pytest.raises(SpecError, match="without the samples 0 to 4"):
        LinearRegression(cv=12, gap=1).fit(X, y)
    X[1:5, 1] = 0
    with pytest.raises(SpecError, match="without the samples 0 to 0"):
        LinearRegression(cv="loo").fit(X, y)


def test_permutations_by_circular_shifts(X, y):
    model = LinearRegression(n_permutations=T - 1, seed=3).fit(X, y)
    values = y.reshape(20, T).astype(np.float64)
    shifted = [lstsq(np.roll(X, shift, axis=0), values)[1] for shift in range(T)]
    expected = np.mean(np.array(shifted) <= shifted[0] * (1 + 1e-9), axis=0)
    np.testing.assert_allclose(flat(model.permutation_pvalues)[:, 0], expected)
    few = [LinearRegression(n_permutations=9, seed=s).fit(X, y) for s in (None, 0, 1)]
    found = [flat(one.permutation_pvalues) for one in few]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_the_global_random_generator_is_left_alone(X, y):
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    LinearRegression(n_permutations=3).fit(X, y).permutation_pvalues.toarray()
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


# autocorrelated residuals


def autoregressive(rho, count, length, seed):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, length + 50))
    for t in range(1, length + 50):
        noise[:, t] += rho * noise[:, t - 1]
    return noise[:, 50:]


@pytest.mark.parametrize("intercept", [True, False])
def test_a_given_autocorrelation_filters_data_and_design(X, y, intercept):
    rho, values = 0.4, y.reshape(20, T).astype(np.float64)
    model = LinearRegression(fit_intercept=intercept, prewhiten=rho).fit(X, values)
    columns = np.column_stack([np.ones(T), X]) if intercept else X
    filtered = columns[1:] - rho * columns[:-1]
    betas, sse, _ = lstsq(filtered, values[:, 1:] - rho * values[:, :-1], intercept=False)
    expected = betas[:, 1:] if intercept else betas
    np.testing.assert_allclose(flat(model.betas), expected, rtol=1e-8, atol=1e-9)
    variance = sse[:, None] / (T - 1 - columns.shape[1])
    se = np.sqrt(variance * np.diag(np.linalg.inv(filtered.T @ filtered)))
    np.testing.assert_allclose(flat(model.se)[:, not intercept :], se, rtol=1e-8)


def test_pooled_autocorrelation_and_the_rate_of_false_positives():
    X = autoregressive(0.8, 1, 400, seed=8)[0]
    noise = autoregressive(0.6, 2000, 400, seed=9)
    plain = LinearRegression().fit(X, noise)
    pooled = LinearRegression(prewhiten="ar1").fit(X, noise)
    each = LinearRegression(prewhiten="ar1-each").fit(X, noise)
    assert pooled.rho == pytest.approx(0.6, abs=0.02)
    rates = [(flat(model.pvalues)[:, 1] < 0.05).mean() for model in (plain, pooled, each)]
    assert rates[0] > 0.12
    assert 0.03 < rates[1] < 0.08  # the standard deviation of a rate is 0.005
    assert 0.03 < rates[2] < 0.08


def test_constant_records_do_not_count_in_the_pooled_autocorrelation(X, y):
    values = y.reshape(20, T)
    more = np.vstack([values, np.full((5, T), 7)])
    for some in (values, more):
        model = LinearRegression(prewhiten="ar1").fit(X, some)
        assert model.rho == pytest.approx(LinearRegression(prewhiten="ar1").fit(X, y).rho)
    assert LinearRegression(prewhiten="ar1").fit(X, more[20:]).rho == 0
    assert LinearRegression(prewhiten="ar1").fit(X, more[:0]).betas.shape == (0, P + 1)


@pytest.mark.parametrize("intercept", [True, False])
def test_an_autocorrelation_of_each_record(engine, X, y, intercept):
    keep = np.arange(T) != 20
    options = {"fit_intercept": intercept, "mask": keep}
    series = tl.series.fromarray(y, engine=engine)
    model = LinearRegression(prewhiten="ar1-each", **options).fit(X, series).tolocal()
    rho = flat(model.results)[:, -1]
    values = y.reshape(20, T).astype(np.float64)
    for row in (0, 11):
        alone = LinearRegression(prewhiten="ar1", **options).fit(X, values[row])
        assert alone.rho == pytest.approx(rho[row], rel=1e-9)
        for name in ("betas", "se", "rsquared", "fvalues", "scores"):
            expected = flat(getattr(alone, name))[0]
            np.testing.assert_allclose(flat(getattr(model, name))[row], expected, rtol=1e-7)


# errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nan": "drop"}, "nan='drop' must be 'propagate' or 'omit'"),
        ({"prewhiten": "ar2"}, "prewhiten='ar2' must be 'ar1', 'ar1-each', an autocorrelation"),
        ({"prewhiten": 1.5}, "prewhiten=1.5 must be"),
        ({"nan": "omit", "cv": 3}, "need one decomposition for all records"),
        ({"nan": "omit", "prewhiten": "ar1"}, "exclude each other"),
        ({"cv": 1}, "cv=1 must be a number of folds, at least 2, or 'loo'"),
        ({"cv": 99}, "cv=99 folds of 60 samples"),
        ({"cv": 3, "gap": -1}, "gap=-1 must be a whole number of samples"),
        ({"n_permutations": T}, "n_permutations=60: 60 samples have 59 circular shifts"),
        ({"n_permutations": 0.5}, "n_permutations=0.5 must be a whole number"),
        ({"mask": [1] * T}, "the mask has shape .60,. and dtype int64: give a bool"),
        ({"groups": "all"}, "groups='all' must be a mapping, 'each' or None"),
        ({"groups": {"a": [7]}}, "the group 'a' has the regressors .7.: give numbers less than 3"),
        ({"groups": {"a": []}}, "the group 'a' has the regressors"),
    ],
)
def test_options_that_make_no_sense(X, y, options, message):
    with pytest.raises(SpecError, match=message):
        LinearRegression(**options).fit(X, y)


def test_designs_that_do_not_fit(X, y):
    fit = LinearRegression().fit
    with pytest.raises(SpecError, match="X has 59 samples, the series have 60"):
        fit(X[1:], y)
    with pytest.raises(SpecError, match="3 samples do not determine 3 regressors"):
        fit(X[:3], y[..., :3])
    X[3, 1] = np.nan
    with pytest.raises(SpecError, match="NaN or infinite values in the regressors 'x1'"):
        fit(X, y)
    with pytest.raises(WrongTypeError, match="'X' has dtype <U1: give real numbers, onehot"):
        fit(list("ab") * 30, y)
    with pytest.raises(WrongTypeError, match="y is Images, and a model is fitted to series"):
        fit(X[:4], tl.images.fromarray(np.zeros((4, 2, 2))))
    with pytest.raises(WrongTypeError, match="y has dtype complex128"):
        fit(X[:, 0] * 0 + 1, y.astype(complex))
    with pytest.raises(SpecError, match="there are no partial models: give groups="):
        fit(X[:, 0], y).partial_rsquared  # noqa: B018
    with pytest.raises(SpecError, match="there was no cross-validation: give cv="):
        fit(X[:, 0], y).cv_rsquared  # noqa: B018
    with pytest.raises(SpecError, match="there were no permutations"):
        fit(X[:, 0], y).permutation_pvalues  # noqa: B018
