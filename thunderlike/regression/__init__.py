"""Models of every record: linear and generalised regression, cross-validation, tuning curves.

A model is fitted to each of any number of series with the same regressors, in one lazy pass:

>>> import numpy as np
>>> import thunderlike as tl
>>> speed = np.array([0.0, 1, 2, 3, 4])
>>> series = tl.series.fromarray([2 * speed + 1, [1.0, 0, 1, 0, 2]])
>>> model = tl.regression.LinearRegression().fit({"speed": speed}, series)
>>> model.tvalues.toarray()[:, 1].round(2) > 2
array([ True, False])
"""

from __future__ import annotations

from thunderlike.regression.custom import CustomModel, CustomRegression
from thunderlike.regression.design import Design, convolve, lags, onehot, splines
from thunderlike.regression.files import load
from thunderlike.regression.glm import GLM, GLMModel
from thunderlike.regression.linear import FastLinearRegression, LinearModel, LinearRegression
from thunderlike.regression.model import MassRegressionAlgorithm, MassRegressionModel
from thunderlike.regression.ridge import Ridge, RidgeModel
from thunderlike.regression.tuning import TuningCurves, TuningModel

__all__ = [
    "GLM",
    "CustomModel",
    "CustomRegression",
    "Design",
    "FastLinearRegression",
    "GLMModel",
    "LinearModel",
    "LinearRegression",
    "MassRegressionAlgorithm",
    "MassRegressionModel",
    "Ridge",
    "RidgeModel",
    "TuningCurves",
    "TuningModel",
    "convolve",
    "lags",
    "load",
    "onehot",
    "splines",
]
