"""The prior of smooth fields, estimated from the evidence of the sample of a movie."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.registration.modes import SmoothField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy import sparse

    from thunderlike._typing import Array, Shape

__all__ = ["TYPICAL_LENGTH", "likeliest", "log_evidence", "smooth_fields"]

TYPICAL_LENGTH = 60.0  # px: where nothing is known of a movie
_SHORTEST, _RATIO = 4 / 3, math.sqrt(2)  # of the spacing; of one length to the next
_MOST_MODES = 512  # which bounds the cost of a frame
_DECISIVE = 5.0  # difference of the logarithm of evidence, by Jeffreys' scale


def smooth_fields(
    shape: Shape, spacing: Sequence[float], length: float | None
) -> tuple[SmoothField, ...]:
    """Return the fields that a prior is chosen of: one a correlation length.

    Parameters
    ----------
    shape : tuple of int
        Of a frame.
    spacing : sequence of float
        Pixels between nodes along y and x.
    length : float, optional
        Of the only field. By default lengths are 4/3 of the spacing and more, by factors of the
        square root of 2, up to half of the longer side; those with more than 512 modes are left
        out, except for the longest.

    Examples
    --------
    >>> [round(field.length) for field in smooth_fields((256, 256), (24, 24), None)]
    [32, 45, 64, 91, 128]
    """
    if length is not None:
        return (SmoothField.of(shape, spacing, length),)
    shortest = _SHORTEST * max(spacing)
    count = 1 + max(0, math.floor(math.log(max(shape[-2:]) / 2 / shortest, _RATIO) + 1e-9))
    fields: list[SmoothField] = []
    for step in reversed(range(count)):
        one = SmoothField.of(shape, spacing, shortest * _RATIO**step)
        if fields and one.size > _MOST_MODES:
            break
        fields.insert(0, one)
    return tuple(fields)


def likeliest(
    fields: Sequence[SmoothField],
    deviations: Array,
    normal: sparse.csr_array,
    information: Array,
) -> tuple[SmoothField, float]:
    """Choose the prior under which the sample is likeliest: its field, and its deviation.

    Of lengths between which the evidence does not decide, the longest: it has the fewest modes.

    Parameters
    ----------
    fields : sequence of SmoothField
        On the same nodes, of increasing correlation lengths.
    deviations, normal, information
        As of :func:`log_evidence`.

    Examples
    --------
    >>> from scipy import sparse
    >>> fields = smooth_fields((128, 128), (16, 16), None)
    >>> rng, modes = np.random.default_rng(0), fields[1].modes[:, 1:]
    >>> moved = rng.normal(size=(60, 2, modes.shape[1])) * np.sqrt(fields[1].spread) @ modes.T
    >>> normal = sparse.eye_array(2 * len(modes), format="csr")
    >>> information = moved.reshape(60, -1) + rng.normal(size=(60, 2 * len(modes)))
    >>> field, deviation = likeliest(fields, np.array([0.5, 1, 2]), normal, information)
    >>> field is fields[1], deviation
    (True, 1.0)
    """
    scores = np.array([log_evidence(one, deviations, normal, information) for one in fields])
    best = int(np.flatnonzero(scores.max(axis=1) >= scores.max() - _DECISIVE)[-1])
    return fields[best], float(deviations[scores[best].argmax()])


def log_evidence(
    field: SmoothField, deviations: Array, normal: sparse.csr_array, information: Array
) -> Array:
    """Logarithm of the density of a sample for prior deviations of its fields.

    Parameters
    ----------
    field : SmoothField
        With m modes, the translation among them.
    deviations : ndarray, shape (k,)
        Standard deviations of fields about their mean in pixels.
    normal : sparse array, shape (nd * nodes, nd * nodes)
        Normal matrix H of displacements at the nodes: the inverse of their covariance.
    information : ndarray, shape (frames, nd * nodes)
        ``H u`` of each frame, with u the displacements that it shows without a prior.

    Returns
    -------
    ndarray of float64, shape (k,)
        Without what depends on neither the field nor the deviation.

    Notes
    -----
    The information of a frame is normal, of covariance ``H + H K H`` for fields of covariance K.
    With ``K = s E Eᵀ``, s the squared deviation, and ``Eᵀ H E = V diag(d) Vᵀ``, the logarithm of
    its density is half of the sum of ``s p² / (1 + s d) - log(1 + s d)``, where ``p = Vᵀ Eᵀ H u``.
    The translation is left free, as in restricted maximum likelihood: what it explains is first
    projected out of H and of the information. The eigenvalues of ``nd * (m - 1)`` modes are
    computed once for all deviations.
    """
    nodes = len(field.modes)
    axes = np.eye(normal.shape[0] // nodes)
    shared = np.kron(axes, np.ones((nodes, 1)))
    pulled = normal @ shared
    inverse = np.linalg.pinv(shared.T @ pulled)
    local = information - (information @ shared) @ inverse @ pulled.T
    modes = np.kron(axes, field.modes[:, 1:] * np.sqrt(field.spread))
    free = pulled.T @ modes
    values, vectors = np.linalg.eigh(modes.T @ (normal @ modes) - free.T @ inverse @ free)
    power = np.square(local @ modes @ vectors).sum(axis=0)
    squares = np.square(deviations)[:, np.newaxis]
    shrunk = 1 + squares * np.maximum(values, 0)
    found: Array = (squares * power / shrunk - len(local) * np.log(shrunk)).sum(axis=1) / 2
    return found
