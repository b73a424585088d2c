"""Missing values in series: NaN replaced by interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["filled"]


def filled(block: Array) -> tuple[Array, Array | None]:
    """Return series as float64, in which values that are not finite are interpolated.

    Parameters
    ----------
    block : ndarray of real numbers, shape (k, T)

    Returns
    -------
    values : ndarray of float64, shape (k, T)
        A copy. Linear between the neighbours in time, constant before the first and after the last
        finite value; 0 in series without one.
    missing : ndarray of bool, shape (k, T), or None if all are finite

    Examples
    --------
    >>> filled(np.array([[1, np.nan, 3, np.nan]]))
    (array([[1., 2., 3., 3.]]), array([[False,  True, False,  True]]))
    """
    values = np.array(block, np.float64, order="C")
    if block.dtype.kind != "f":
        return values, None
    missing = ~np.isfinite(values)
    rows = np.flatnonzero(missing.any(axis=1))
    if not rows.size:
        return values, None
    for row in rows:
        bad = missing[row]
        good = np.flatnonzero(~bad)
        values[row, bad] = (
            np.interp(np.flatnonzero(bad), good, values[row, good]) if good.size else 0
        )
    return values, missing
