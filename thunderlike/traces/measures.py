"""Measures of the quality of traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from thunderlike.kernels import baselines
from thunderlike.kernels.gaps import filled

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.data.series import Series

__all__ = ["MEASURES", "measures", "sensitivity"]

MEASURES = ("noise", "snr", "skew", "exceptionality")

_HIGH = 0.99  # quantile of a trace that is taken as the height of its transients
_SAMPLES = 5  # of an exceptional event


def measures(dff: Series) -> dict[str, Array]:
    """Compute measures of each trace of relative changes.

    Returns
    -------
    dict of ndarray of float64, shape (K,)
        ``'noise'``: standard deviation of the noise, in units of `dff`. ``'snr'``: 99th percentile
        relative to the noise. ``'skew'``: of the distribution of all samples.
        ``'exceptionality'``: logarithm of the probability that noise alone reaches five successive
        samples, of the most improbable ones, as in CaImAn; the lower, the better. NaN for traces
        without values.

    Notes
    -----
    One pass over the traces.

    Examples
    --------
    >>> import thunderlike as tl
    >>> trace = np.random.default_rng(0).normal(size=(1, 900))
    >>> trace[0, 400:410] += 8
    >>> {name: value.round(1).tolist() for name, value in measures(tl.Series(trace)).items()}
    {'noise': [1.0], 'snr': [6.9], 'skew': [2.6], 'exceptionality': [-211.7]}
    """
    found = dff._stacked(_Measures())._records.collect()
    return {name: np.array(found[:, n], np.float64) for n, name in enumerate(MEASURES)}


@dataclass(frozen=True)
class _Measures:
    """Vectorised function of blocks: the measures of each trace."""

    __name__: ClassVar[str] = "quality"

    def __call__(self, block: Array) -> Array:
        """Return the measures of each trace, of shape (k, 4)."""
        from scipy import special

        out = np.full((len(block), len(MEASURES)), np.nan)
        if not block.size:
            return out
        noise = baselines.noise(block, "auto")
        for row, trace in enumerate(block):
            values, missing = filled(trace[np.newaxis])
            known = values[0] if missing is None else values[0, ~missing[0]]
            if known.size < 2 or not noise[row] > 0:
                continue
            deviation = known - known.mean()
            spread = known.std()
            tail = special.log_ndtr(-known / noise[row])
            several = np.convolve(tail, np.ones(min(_SAMPLES, tail.size)), "valid")
            snr = np.quantile(known, _HIGH) / noise[row]
            skew = (deviation**3).mean() / spread**3 if spread > 0 else 0.0
            out[row] = noise[row], snr, skew, several.min()
        return out


def sensitivity(neuropil: Series, corrected: Series) -> Array:
    """Return the change of each corrected trace for a change of 1 of its neuropil coefficient.

    Returns
    -------
    ndarray of float64, shape (K,)
        Standard deviation of the neuropil relative to that of the corrected trace: an error of 0.1
        in the coefficient changes the trace by a tenth of this in its standard deviations. NaN
        without a ring.

    Examples
    --------
    >>> import thunderlike as tl
    >>> sensitivity(tl.Series([[1.0, 3]]), tl.Series([[2.0, 3]]))
    array([2.])
    """
    with np.errstate(all="ignore"):
        one, other = (
            series._stacked(_deviations)._records.collect()[:, 0]
            for series in (neuropil, corrected)
        )
        found: Array = one / np.where(other > 0, other, np.nan)
    return found


def _deviations(block: Array) -> Array:
    """Return the standard deviation of the finite values of each trace, of shape (k, 1)."""
    finite = np.isfinite(block)
    count = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    values = np.where(finite, block, 0).astype(np.float64)
    mean = values.sum(axis=1, keepdims=True) / count
    squares = np.where(finite, values - mean, 0) ** 2
    found: Array = np.sqrt(squares.sum(axis=1, keepdims=True) / count)
    return np.where(finite.any(axis=1, keepdims=True), found, np.nan)
