"""Models of every record, against scikit-learn and statsmodels, in CPU seconds.

python benchmarks/regression.py [NAME ...]

40 000 series of 500 samples in float32 and 5 regressors, in one process. Rivals that fit one series
at a time are timed on a part, and multiplied. A machine that runs other programs as well changes
CPU seconds less than those of a clock; all variants run in turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from harness import Row, Scaled, cpu_timed, main

import thunderlike as tl
from thunderlike.regression import GLM, LinearRegression, Ridge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT, LENGTH, REGRESSORS = 40_000, 500, 5
PART = 100  # series that are fitted one at a time
FEWER = 2000  # series of the generalised linear models
ALPHAS = np.logspace(-2, 6, 9)


def each(function: Callable[[np.ndarray], object], y: np.ndarray, part: int = PART) -> Scaled:
    """Call a function on some of the series, one at a time."""
    return Scaled(lambda: [function(one) for one in y[:part]], len(y) / part)


def rows() -> Iterator[Row]:
    """Models with their statistics, and what rivals compute of them."""
    import statsmodels.api as sm
    from sklearn import linear_model
    from sklearn.model_selection import KFold, cross_val_predict

    rng = np.random.default_rng(0)
    X = rng.normal(size=(LENGTH, REGRESSORS))
    y = (rng.normal(size=(COUNT, REGRESSORS)) @ X.T + rng.normal(300, 5, (COUNT, LENGTH))).astype(
        np.float32
    )
    series, wide, constant = tl.series.fromarray(y), y.astype(np.float64), sm.add_constant(X)
    one = wide.T.copy()

    def ours() -> None:
        model = series.regress(X)
        for name in ("betas", "tvalues", "fvalues", "rsquared"):
            getattr(model, name).toarray()

    def together() -> None:
        model = linear_model.LinearRegression().fit(X, one)
        error = one - model.predict(X)
        1 - (error**2).sum(0) / ((one - one.mean(0)) ** 2).sum(0)

    def full(values: np.ndarray) -> None:
        fitted = sm.OLS(values, constant).fit()
        fitted.tvalues, fitted.fvalue, fitted.rsquared  # noqa: B018

    def alone(values: np.ndarray) -> None:
        linear_model.LinearRegression().fit(X, values).score(X, values)

    yield Row(
        "OLS with t, F, R2",
        ours,
        {
            "sklearn, targets": together,
            "sklearn, one by one": each(alone, wide),
            "statsmodels": each(full, wide),
        },
    )

    def folds() -> None:
        predicted = cross_val_predict(linear_model.LinearRegression(), X, one, cv=KFold(5))
        ((one - predicted) ** 2).sum(0)

    yield Row(
        "5 folds",
        lambda: LinearRegression(cv=5).fit(X, series).results,
        {"sklearn, targets": folds},
    )

    def ridge() -> None:
        linear_model.RidgeCV(ALPHAS, alpha_per_target=True).fit(X, one)

    yield Row(
        "ridge, alpha of each",
        lambda: Ridge("cv", alphas=ALPHAS.tolist()).fit(X, series).results,
        {"sklearn RidgeCV": ridge},
    )
    counts = rng.poisson(np.exp(1 + 0.2 * rng.normal(size=(FEWER, REGRESSORS)) @ X.T))
    family = sm.families.Poisson()
    yield Row(
        "Poisson",
        lambda: GLM("poisson").fit(X, tl.series.fromarray(counts)).results,
        {
            "statsmodels": each(lambda v: sm.GLM(v, constant, family=family).fit(), counts, 50),
            "sklearn": each(lambda v: linear_model.PoissonRegressor(alpha=0).fit(X, v), counts, 50),
        },
    )
    directions = rng.permutation(np.arange(LENGTH) % 8)

    def bins() -> None:
        groups = [wide[:, directions == d] for d in range(8)]
        for group in groups:
            group.mean(1), group.std(1)

    yield Row("tuning, 8 bins", lambda: series.tuning(directions).results, {"numpy": bins})


if __name__ == "__main__":
    main(rows, __doc__ or "", cpu_timed)
