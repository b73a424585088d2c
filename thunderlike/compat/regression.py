"""thunder-regression's modules: after importing this, ``import regression`` works.

For scripts written for thunder-regression 1.0; import this module before them. Spark workers import
it before they unpickle a function. Importing it raises `AlreadyImportedError` if that package
itself was imported in the same process; an installed one that is not imported is shadowed.

>>> import thunderlike.compat.regression
>>> from regression import LinearRegression
>>> LinearRegression().fit([[0], [1], [2]], [[1, 3, 5]]).betas.toarray().round(6)
array([1., 2.])
"""

from __future__ import annotations

import sys
from typing import Any

from thunderlike.compat.aliases import install
from thunderlike.engines.jobs import import_first
from thunderlike.regression import (
    CustomRegression,
    FastLinearRegression,
    LinearRegression,
    MassRegressionAlgorithm,
    MassRegressionModel,
)
from thunderlike.regression.model import as_series

__all__ = ["MODULES", "__version__"]

__version__ = "1.0.0"  # the release of thunder-regression whose names these are

_ALGORITHMS = {
    "LinearRegression": LinearRegression,
    "FastLinearRegression": FastLinearRegression,
    "CustomRegression": CustomRegression,
}
# Parents before children, as `install` needs them.
MODULES: dict[str, dict[str, Any]] = {
    "regression": {"__version__": __version__, **_ALGORITHMS},
    "regression.algorithms": {"MassRegressionAlgorithm": MassRegressionAlgorithm, **_ALGORITHMS},
    "regression.model": {"MassRegressionModel": MassRegressionModel},
    "regression.utils": {"toseries": as_series},
}

install(MODULES)
# Functions that refer to `regression` are unpickled on workers, which must install it too.
import_first(sys.modules[__name__])
