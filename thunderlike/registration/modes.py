"""Deformations of a frame: a translation, or a smooth field on a grid of nodes.

Both are sums of modes, with coefficients of known prior variance: the estimation is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeAlias

import numpy as np
from scipy import sparse

from thunderlike.hdf5.models import Model
from thunderlike.kernels.residuals import steered_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thunderlike._typing import Array, Shape

    Matrix: TypeAlias = Array | sparse.csr_array

__all__ = ["Deformation", "FieldSampling", "Sampling", "SmoothField", "Translation", "displaced"]

_RIGID_VARIANCE = 64.0  # px²: prior of the displacement that all pixels share
_TRACE = 0.999  # share of the prior variance that the modes keep


class Sampling(Protocol):
    """A deformation at the pixels of binned frames."""

    def steered(
        self, image: Array, reference: Array, steering: Array, moved: Array, brightness: Array
    ) -> Array:
        """Sum the products of hats of nodes, steering images and the residual of a displaced image.

        Parameters
        ----------
        image, reference : ndarray of float32, shape frame
        steering : ndarray of float32, shape (nd, ...)
        moved : ndarray of float64, shape (nd, m)
            Coefficients, in binned pixels.
        brightness : ndarray of float32, shape (2,)
            Factor of the image, and offset of the reference.

        Returns
        -------
        ndarray of float64, shape (nd, nodes)
        """

    def products(self, steering: Array, gradient: Array) -> Matrix:
        """Sum the products of hats of nodes, steering images, hats and gradients.

        Returns
        -------
        ndarray or sparse array of float64, shape (nd * nodes, nd * nodes)
        """


class Deformation(Protocol):
    """Displacements that are linear in a few coefficients an axis."""

    @property
    def size(self) -> int:
        """Number of modes, m."""

    @property
    def means(self) -> Array:
        """Mean displacement over the frame of each mode, shape (m,)."""

    def variances(self, deviation: float) -> Array:
        """Prior variances of the coefficients in px², shape (m,)."""

    def rigid(self, shift: Array) -> Array:
        """Return a translation as coefficients, shape (nd, m)."""

    def at_nodes(self, coefficients: Array) -> Array:
        """Return displacements at the nodes, shape (nd, ...)."""

    def in_modes(self, slope: Array) -> Array:
        """Sum values at the nodes, of shape (nd, nodes), times the modes, to shape (nd, m)."""

    def normal_in_modes(self, normal: Matrix) -> Array:
        """Transform a normal matrix from the nodes to the modes, shape (nd * m, nd * m)."""

    def sampled(self, shape: Shape, bins: Sequence[int], *, compiled: bool) -> Sampling:
        """Return the deformation at the pixels of frames of this binned shape."""


def displaced(image: Array, shift: Sequence[float]) -> tuple[Array, tuple[slice, ...]]:
    """Interpolate an image linearly at ``r + shift``, where that lies in the image.

    Parameters
    ----------
    image : ndarray of float32
    shift : sequence of float
        Displacement along each axis, in pixels.

    Returns
    -------
    values : ndarray of float32
    region : tuple of slice
        Positions r of the values; empty where no pixel is left.

    Examples
    --------
    >>> displaced(np.array([0, 1, 4, 9], "float32"), [0.5])
    (array([0.5, 2.5, 6.5], dtype=float32), (slice(0, 3, None),))
    """
    region = []
    for axis, moved in enumerate(shift):
        whole = math.floor(moved)
        part = np.float32(moved - whole)
        n = image.shape[axis]
        first = min(max(0, -whole), n)
        last = max(first, min(n, n - whole - int(part > 0)))
        before = (slice(None),) * axis
        values = image[(*before, slice(first + whole, last + whole))]
        if part > 0:
            after = image[(*before, slice(first + whole + 1, last + whole + 1))]
            values = values * (np.float32(1) - part)
            values += after * part
        region.append(slice(first, last))
        image = values
    return image, tuple(region)


@dataclass(frozen=True)
class Translation:
    """One displacement for all pixels of a frame.

    Examples
    --------
    >>> Translation().rigid(np.array([2.0, -1.0]))
    array([[ 2.],
           [-1.]])
    """

    size: ClassVar[int] = 1

    @property
    def means(self) -> Array:
        """One: the mean of a translation is itself."""
        return np.ones(1)

    def variances(self, deviation: float) -> Array:  # noqa: ARG002
        """Return the prior variance of a translation."""
        return np.full(1, _RIGID_VARIANCE)

    def rigid(self, shift: Array) -> Array:
        """Return a translation as coefficients."""
        return np.asarray(shift, np.float64)[:, np.newaxis]

    def at_nodes(self, coefficients: Array) -> Array:
        """Return the translation."""
        return coefficients

    def in_modes(self, slope: Array) -> Array:
        """Return the values: a translation has one mode and one node."""
        return slope

    def normal_in_modes(self, normal: Array) -> Array:
        """Return the matrix: a translation has one mode and one node."""
        return normal

    def sampled(self, shape: Shape, bins: Sequence[int], *, compiled: bool) -> Self:  # noqa: ARG002
        """Return itself: it is the same at all pixels."""
        return self

    def steered(
        self, image: Array, reference: Array, steering: Array, moved: Array, brightness: Array
    ) -> Array:
        """Sum the products of steering images and the residual; see :class:`Sampling`."""
        residual, region = displaced(image, moved[:, 0].tolist())
        residual = residual * brightness[0]
        residual -= reference[region]
        residual -= brightness[1]
        rows = np.einsum("a...x,...x->a...", steering[:, *region], residual)
        found: Array = rows.reshape(len(rows), -1).sum(axis=1, dtype=np.float64)[:, np.newaxis]
        return found

    def products(self, steering: Array, gradient: Array) -> Array:
        """Sum the products of steering images and gradients; see :class:`Sampling`."""
        return np.array([[(q * d).sum(dtype=np.float64) for d in gradient] for q in steering])


@dataclass(frozen=True, eq=False)
class SmoothField(Model):
    """Displacements at nodes of a grid, with a Gaussian prior, interpolated bilinearly.

    Parameters
    ----------
    positions : tuple of ndarray
        Pixel positions of the nodes along y and x; the first and last pixel are nodes. In a volume
        a field is the same in all planes.
    length : float
        Correlation length of the prior in pixels.
    modes : ndarray of float64, shape (ny * nx, m)
        The translation, then the leading eigenvectors of the prior's covariance.
    spread : ndarray of float64, shape (m - 1,)
        Their variances at a deviation of 1 px.

    Notes
    -----
    The prior covariance of two nodes at distance d is ``deviation² exp(-d² / (2 length²))``, and
    64 px² for the translation. The first is a product over the axes, and so are its eigenvectors.

    Examples
    --------
    >>> field = SmoothField.of((96, 96), spacing=(24, 24), length=60)
    >>> [len(nodes) for nodes in field.positions], field.size
    ([5, 5], 12)
    >>> field.at_nodes(field.rigid(np.array([2.0, -1.0])))[:, 0, 0]
    array([ 2., -1.])
    """

    positions: tuple[Array, Array]
    length: float
    modes: Array
    spread: Array

    @classmethod
    def of(cls, shape: Shape, spacing: Sequence[float], length: float) -> Self:
        """Make the grid of a frame, or of the planes of a volume.

        Parameters
        ----------
        shape : tuple of int
            Of a frame.
        spacing : sequence of float
            Pixels between nodes along y and x.
        length : float
        """
        positions = tuple(
            np.linspace(0, n - 1, max(2, round((n - 1) / step) + 1))
            for n, step in zip(shape[-2:], spacing, strict=True)
        )
        values, vectors = [], []
        for nodes in positions:
            distance = np.subtract.outer(nodes, nodes)
            found = np.linalg.eigh(np.exp(-(distance**2) / (2 * length**2)))
            values.append(np.maximum(found.eigenvalues, 0))
            vectors.append(found.eigenvectors)
        both = np.multiply.outer(*values).ravel()
        order = np.argsort(-both, kind="stable")
        kept = np.searchsorted(np.cumsum(both[order]), _TRACE * both.sum()) + 1
        rows, columns = np.unravel_index(order[:kept], (len(values[0]), len(values[1])))
        modes = np.einsum("ym,xm->yxm", vectors[0][:, rows], vectors[1][:, columns])
        constant = np.ones((modes.shape[0] * modes.shape[1], 1))
        modes = np.concatenate([constant, modes.reshape(-1, kept)], axis=1)
        return cls((positions[0], positions[1]), length, modes, both[order[:kept]])

    @property
    def size(self) -> int:
        """Number of modes."""
        return int(self.modes.shape[1])

    @property
    def means(self) -> Array:
        """Mean displacement over the frame of each mode: trapezoids between the nodes."""
        weights = []
        for nodes in self.positions:
            gaps = np.diff(nodes)
            weight = np.zeros(len(nodes))
            weight[:-1] += gaps / 2
            weight[1:] += gaps / 2
            weights.append(weight / weight.sum())
        found: Array = np.multiply.outer(*weights).ravel() @ self.modes
        return found

    def variances(self, deviation: float) -> Array:
        """Prior variances of the coefficients."""
        return np.concatenate([[_RIGID_VARIANCE], deviation**2 * self.spread])

    def rigid(self, shift: Array) -> Array:
        """Return a translation as coefficients."""
        found = np.zeros((len(shift), self.size))
        found[:, 0] = shift
        return found

    def at_nodes(self, coefficients: Array) -> Array:
        """Return displacements at the nodes, shape (nd, ny, nx)."""
        shape = (len(coefficients), *map(len, self.positions))
        found: Array = np.einsum("am,nm->an", coefficients, self.modes).reshape(shape)
        return found

    def in_modes(self, slope: Array) -> Array:
        """Sum values at the nodes, of shape (nd, nodes), times the modes, to shape (nd, m)."""
        found: Array = np.einsum("an,nm->am", slope, self.modes)
        return found

    def normal_in_modes(self, normal: Matrix) -> Array:
        """Transform a normal matrix from the nodes to the modes, shape (nd * m, nd * m)."""
        modes = np.kron(np.eye(normal.shape[0] // len(self.modes)), self.modes)
        found: Array = modes.T @ (normal @ modes)
        return found

    def nodes(self, ndim: int) -> tuple[Array, ...]:
        """Return the positions of the nodes along each axis; one along the z of a volume."""
        return (np.zeros(1),) * (ndim - 2) + self.positions

    def fields(self, coefficients: Array) -> Array:
        """Return the fields of frames on the nodes.

        Parameters
        ----------
        coefficients : ndarray, shape (..., nd, m)

        Returns
        -------
        ndarray of float32, shape (..., nd, ny, nx)
        """
        lengths = [len(nodes) for nodes in self.nodes(coefficients.shape[-2])]
        values = np.einsum("...m,nm->...n", coefficients, self.modes)
        found: Array = values.astype(np.float32).reshape(*coefficients.shape[:-1], *lengths)
        return found

    def sampled(self, shape: Shape, bins: Sequence[int], *, compiled: bool) -> FieldSampling:
        """Return the field at the pixels of binned frames."""
        cells = [
            _cells(nodes, n, size)
            for nodes, n, size in zip(self.positions, shape[-2:], bins[-2:], strict=True)
        ]
        return FieldSampling(self, cells[0], cells[1], compiled)


def _cells(nodes: Array, count: int, size: int) -> tuple[Array, Array]:
    """Number of the node before each binned pixel, and the position between it and the next."""
    pixels = np.arange(count) * size + (size - 1) / 2
    cells = np.clip(np.searchsorted(nodes, pixels, side="right") - 1, 0, len(nodes) - 2)
    weights = (pixels - nodes[cells]) / (nodes[cells + 1] - nodes[cells])
    return cells.astype(np.int64), weights.astype(np.float32)


@dataclass(frozen=True, eq=False)
class FieldSampling:
    """A smooth field at the pixels of binned frames.

    Parameters
    ----------
    field : SmoothField
    rows, columns : tuple of ndarray
        Cell of each row or column, and its position in the cell.
    compiled : bool
        Whether to run compiled loops.
    """

    field: SmoothField
    rows: tuple[Array, Array]
    columns: tuple[Array, Array]
    compiled: bool

    def steered(
        self, image: Array, reference: Array, steering: Array, moved: Array, brightness: Array
    ) -> Array:
        """Sum the products of modes, steering images and the residual; see :class:`Sampling`."""
        nodes = self.field.at_nodes(moved).astype(np.float32)
        count, height = nodes.shape[:2]
        lines = np.empty((count, height, image.shape[-1]), np.float32)
        if image.ndim == 2:  # a volume of one plane
            image, reference, steering = image[None], reference[None], steering[:, None]
        loops = steered_sums.choose(self.compiled)
        loops(image, reference, steering, nodes, *self.rows, *self.columns, brightness, lines)
        starts, weights = self._column_cells
        cells = np.add.reduceat(lines * weights, starts, axis=-1)
        found = np.zeros(nodes.shape)
        found[..., :-1] = cells[0]
        found[..., 1:] += cells[1]
        return found.reshape(count, -1)

    @cached_property
    def _column_cells(self) -> tuple[Array, Array]:
        """First column of each cell, and weights of the nodes before and after each column."""
        cells, right = self.columns
        starts = np.searchsorted(cells, np.arange(len(self.field.positions[1]) - 1))
        weights = np.stack([1 - right, right]).astype(np.float64)
        return starts, weights[:, np.newaxis, np.newaxis]

    def products(self, steering: Array, gradient: Array) -> sparse.csr_array:
        """Sum the products of hats of nodes, steering images, hats and gradients."""
        hats = [
            _hats(*cells, len(nodes))
            for cells, nodes in zip((self.rows, self.columns), self.field.positions, strict=True)
        ]
        blocks = [[_node_products(q * d, *hats) for d in gradient] for q in steering]
        return sparse.block_array(blocks, format="csr")


def _hats(cells: Array, weights: Array, nodes: int) -> Array:
    """Weights of the nodes at each pixel, shape (pixels, nodes)."""
    hats = np.zeros((len(cells), nodes))
    pixels = np.arange(len(cells))
    hats[pixels, cells] = 1 - weights
    hats[pixels, cells + 1] = weights
    return hats


def _node_products(values: Array, rows: Array, columns: Array) -> sparse.coo_array:
    """Sum values with the hats of pairs of nodes; only neighbours overlap."""
    if values.ndim == 3:  # the planes of a volume share the field
        values = values.sum(axis=0)
    ny, nx = rows.shape[1], columns.shape[1]
    numbers = np.arange(ny * nx).reshape(ny, nx)
    sums, ones, others = [], [], []
    for up in (-1, 0, 1):
        top, bottom = _neighbours(up)
        lines = (rows[:, top] * rows[:, bottom]).T @ values
        for aside in (-1, 0, 1):
            left, right = _neighbours(aside)
            sums.append((lines @ (columns[:, left] * columns[:, right])).ravel())
            ones.append(numbers[top, left].ravel())
            others.append(numbers[bottom, right].ravel())
    places = np.concatenate(ones), np.concatenate(others)
    return sparse.coo_array((np.concatenate(sums), places), shape=(ny * nx, ny * nx))


def _neighbours(step: int) -> tuple[slice, slice]:
    """Nodes of an axis that have one at `step`, and those."""
    every, first, last = slice(None), slice(None, -1), slice(1, None)
    return {-1: (last, first), 0: (every, every), 1: (first, last)}[step]
