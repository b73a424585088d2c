"""Whitening of many samples: values of unit variance that do not depend on one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import checked_arguments
from thunderlike.errors import SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["apply_whitening_matrix", "whiten", "zca_whitening_matrix"]


@checked_arguments
def zca_whitening_matrix(X: ArrayLike, w_epsilon: float, batch: int = 1000) -> NDArray[Any]:
    """Return the matrix that whitens samples and moves them as little as can be (ZCA).

    Parameters
    ----------
    X : array_like
        Samples along the first axis, each of ``n`` values in all. Their mean is not subtracted.
    w_epsilon : float
        Added to the variances, so that directions of none do not grow without bound.
    batch : int
        Samples that are multiplied at once.

    Returns
    -------
    ndarray
        ``U diag(1 / sqrt(S + w_epsilon)) U.T``, of shape ``(n, n)``, where ``U diag(S) U.T`` is the
        mean of ``outer(x, x)`` over the samples; floats.

    Raises
    ------
    SpecError
        For no samples, samples that are not finite, and a negative `w_epsilon`.

    Notes
    -----
    One pass over the samples, then a decomposition in n**3 steps. Bell and Sejnowski (1997), "The
    independent components of natural scenes are edge filters".

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(500, 3)) * [1, 5, 9]
    >>> W = zca_whitening_matrix(X, 1e-9)
    >>> bool(np.allclose(W @ (X.T @ X / 500) @ W, np.eye(3)))
    True
    """
    flat = _flat(X)
    if not len(flat):
        raise SpecError(f"there are no samples to whiten, shape {np.shape(X)}")
    moments = sum(part.T @ part for part in _batches(flat, batch)) / len(flat)
    if not np.isfinite(moments).all():
        raise SpecError("the samples have values that are not finite: remove them first")
    directions, variances, _ = np.linalg.svd(moments)
    if not w_epsilon >= 0:
        raise SpecError(
            f"w_epsilon is added to variances and is not negative, not {w_epsilon!r:.60}"
        )
    matrix: NDArray[Any] = (directions / np.sqrt(variances + w_epsilon)) @ directions.T
    return matrix


@checked_arguments
def apply_whitening_matrix(X: ArrayLike, W: NDArray[Any], batch: int = 1000) -> NDArray[Any]:
    """Multiply each sample by a matrix.

    Parameters
    ----------
    X : array_like
        Samples along the first axis.
    W : ndarray
        From :func:`zca_whitening_matrix`.
    batch : int
        Samples that are multiplied at once.

    Returns
    -------
    ndarray
        Of the shape of `X`, floats.

    Examples
    --------
    >>> apply_whitening_matrix([[1, 2], [3, 4]], np.diag([2.0, 1.0]))
    array([[2., 2.],
           [6., 4.]])
    """
    flat, W = _flat(X), np.asarray(W)
    if W.shape != (flat.shape[1],) * 2:
        raise SpecError(f"samples of {flat.shape[1]} values do not multiply a matrix of {W.shape}")
    white = np.empty(flat.shape, np.result_type(flat, W))
    for start, part in zip(range(0, len(flat), batch), _batches(flat, batch), strict=True):
        np.matmul(part, W.T, out=white[start : start + batch])
    return white.reshape(np.shape(X))


@checked_arguments
def whiten(X: ArrayLike, w_epsilon: float, batch: int = 1000) -> NDArray[Any]:
    """Whiten samples by their own matrix; two passes, parameters as for the other two.

    Examples
    --------
    >>> white = whiten(np.random.default_rng(0).random((100, 2, 2)), 0.01)
    >>> white.shape
    (100, 2, 2)
    """
    return apply_whitening_matrix(X, zca_whitening_matrix(X, w_epsilon, batch), batch)


def _flat(X: ArrayLike) -> NDArray[Any]:
    """Samples as rows, of floats: products of small integers would not fit."""
    samples = np.asarray(X)
    if not samples.ndim:
        raise SpecError("samples are along the first axis, and a single number has none")
    if samples.dtype.kind not in "biufc":
        raise WrongTypeError(f"samples are numbers, not {samples.dtype}")
    rows = samples.reshape(len(samples), -1) if samples.size else samples.reshape(0, 0)
    return rows.astype(np.result_type(rows, np.float32), copy=False)


def _batches(flat: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    if size < 1:
        raise SpecError(f"a batch has one sample at least, not {size}")
    return (flat[start : start + size] for start in range(0, len(flat), size))
