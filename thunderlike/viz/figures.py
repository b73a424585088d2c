"""New axes, and the range of values that colours cover."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from thunderlike._typing import Array

__all__ = ["PERCENTILES", "UNDEFINED", "axes_or_new", "checked", "contrast"]


PERCENTILES = (0.5, 99.5)  # of the values; those outside get the first or last colour
UNDEFINED = "0.75"  # grey for NaN, in no colour map used here
_ENOUGH = 2**18  # number of values that percentiles are estimated from

# matplotlib logs that it builds a font cache. Without any handler, Python would print that to
# standard error; handlers of the application still receive it.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the given axes, or axes of a new figure."""
    if ax is not None:
        return ax
    optional("matplotlib.figure", extra="viz")
    from thunderlike.viz.axes import drawing

    return drawing()


def contrast(values: Array, percentiles: tuple[float, float] = PERCENTILES) -> tuple[float, float]:
    """Find the values to show as black and white: percentiles of the finite values.

    For a large array they are estimated from values at regular distances.

    Examples
    --------
    >>> contrast(np.arange(1001))
    (5.0, 995.0)
    >>> contrast(np.array([np.nan, 3.0]))[0]
    3.0
    """
    flat = np.ravel(values)
    some = flat[:: max(1, math.ceil(flat.size / _ENOUGH))].astype(np.float64)
    finite = some[np.isfinite(some)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, percentiles))
    return low, high if high > low else low + max(abs(low), 1.0) * 1e-6


def checked(values: Any) -> Array:
    """Check that values can be drawn, and return them as an array.

    Raises
    ------
    SpecError
        If the values are not real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise SpecError(
            f"{array.dtype} cannot be drawn: give real numbers, .map(abs) of complex ones"
        )
    return array.astype(np.uint8) if array.dtype.kind == "b" else array
