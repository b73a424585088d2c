"""Leading singular values and right singular vectors of a matrix whose rows are on an engine."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg

from thunderlike._arguments import caller_level
from thunderlike.data._user_functions import Stacked
from thunderlike.data.reductions import merged_records
from thunderlike.errors import SpecError
from thunderlike.factorization._matrix import check_partial, column_blocks
from thunderlike.kernels.factorization import RowComoments, Sketch, Triangle, centered_columns
from thunderlike.kernels.linalg import Comoments

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.factorization._matrix import Matrix

__all__ = ["METHODS", "PRECISIONS", "Decomposition", "Options", "decompose", "method_for"]

METHODS = ("auto", "gram", "krylov", "tsqr", "rowgram")
PRECISIONS = ("exact", "fast")
_NARROW = 750  # columns up to which the Gram matrix is fastest
_FEW = 1024  # rows up to which the products of rows are fastest
_MOST = 8192  # rows or columns of a Gram matrix: 512 MiB
_MORE = 10  # vectors of a block beyond the components
_BASIS_BYTES = 2**28  # of the basis and its images; with more, the iteration restarts
# Share of the first singular value below which squares lose digits.
_LOSS, _LOSS_FAST = 1e-6, 1e-3
_LEAST_IMAGE = {"d": 1e-12, "f": 1e-6}  # of the norm of the images, that is not rounding


@dataclass(frozen=True)
class Options:
    """Arguments of a decomposition.

    Parameters
    ----------
    k : int
        Number of components.
    center : bool
        Subtract the mean of each column.
    method : str
        One of :data:`METHODS`.
    max_iter, tol, seed
        Of the method 'krylov'.
    precision : str
        One of :data:`PRECISIONS`.
    """

    k: int
    center: bool
    method: str = "auto"
    max_iter: int = 20
    tol: float = 1e-5
    seed: int | None = None
    precision: str = "exact"

    def dtype(self, matrix: Matrix) -> np.dtype[Any]:
        """Return the dtype of products: float32 for short numbers if that is precise enough."""
        return matrix.result_dtype if self.precision == "fast" else np.dtype(np.float64)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """Leading singular values and vectors.

    Parameters
    ----------
    values : ndarray of float64, shape (k,)
        Descending; 0 beyond the rank.
    vectors : ndarray of float64, shape (k, L)
        Right singular vectors; in each the entry of largest magnitude is positive.
    mean : ndarray of float64, shape (L,)
        Mean of the columns.
    total : float
        Sum of the squares of all values, less the means if the columns are centered.
    method : str
    passes : int
        Passes over the rows.
    converged : bool
    """

    values: Array
    vectors: Array
    mean: Array
    total: float
    method: str
    passes: int
    converged: bool = True

    @property
    def rank(self) -> int:
        """Number of singular values that are not 0."""
        return int(np.count_nonzero(self.values))


def method_for(matrix: Matrix, method: str) -> str:
    """Return the method that 'auto' stands for, which the shape alone decides.

    The present names of Thunder's 'direct' and 'em' are 'gram' and 'krylov'.
    """
    if method == "auto":
        if matrix.ncolumns < _NARROW:
            return "gram"
        return "rowgram" if matrix.nrows <= _FEW else "krylov"
    return {"direct": "gram", "em": "krylov"}.get(method, method)


def decompose(matrix: Matrix, options: Options) -> Decomposition:
    """Compute the leading singular values and right singular vectors of a matrix.

    Parameters
    ----------
    matrix : Matrix
    options : Options

    Notes
    -----
    One pass for 'gram' and 'tsqr', two for 'rowgram', and as many as the singular values need for
    'krylov'. Only 'rowgram' regroups values, where they are not in the memory of this process.

    Raises
    ------
    SpecError
        For NaN and infinity, and where a partial result would have more than 512 MiB.
    """
    name = method_for(matrix, options.method)
    algorithm = {"gram": _gram, "tsqr": _tsqr, "rowgram": _rowgram, "krylov": _krylov}[name]
    with np.errstate(all="ignore"):  # sums that are not finite are an error of their own
        found = algorithm(matrix, options)
    single = options.dtype(matrix) == np.float32
    loss, more = (_LOSS_FAST, "precision='exact'") if single else (_LOSS, "method='tsqr'")
    squared = name != "tsqr" and (single or matrix.records.spec.dtype == np.float64)
    if squared and found.values[-1] < loss * found.values[0]:
        warnings.warn(
            f"singular value {options.k} is less than {loss:g} times the first, and method="
            f"{name!r} squares them: give {more} for more digits",
            stacklevel=caller_level(),
        )
    return found


def _gram(matrix: Matrix, options: Options) -> Decomposition:
    """Eigenvectors of the L x L comoments."""
    _check_size(matrix.ncolumns, "columns", "gram", "krylov")
    nbytes = 8 * matrix.ncolumns**2
    dtype = options.dtype(matrix)
    found: Comoments = matrix.aggregate(Comoments, nbytes, dtype=dtype)
    products = found.products
    if not options.center:
        products = products + np.outer(found.mean, found.mean * found.count)
    matrix.check_finite(products)
    squares, vectors = _leading(products, options.k, dtype)
    total = float(np.trace(products))
    return Decomposition(np.sqrt(squares), _signed(vectors.T), found.mean, total, "gram", 1)


def _tsqr(matrix: Matrix, options: Options) -> Decomposition:
    """Singular vectors of the triangular factor of the rows."""
    _check_size(matrix.ncolumns, "columns", "tsqr", "krylov")
    found: Triangle = matrix.aggregate(Triangle, 8 * matrix.ncolumns**2)
    factor = found.factor if options.center else found.uncentered()
    matrix.check_finite(factor)
    _, values, vectors = scipy.linalg.svd(factor, full_matrices=False)
    total = float(np.vdot(values, values))
    least = max(matrix.nrows, matrix.ncolumns) * np.finfo(np.float64).eps * values[0]
    # The factor has as many rows as the matrix where that has few.
    values, vectors = _padded(np.where(values > least, values, 0), vectors, options.k)
    return Decomposition(values, _signed(vectors), found.mean, total, "tsqr", 1)


def _rowgram(matrix: Matrix, options: Options) -> Decomposition:
    """Eigenvectors of the n x n products of rows, and the rows projected on them."""
    _check_size(matrix.nrows, "rows", "rowgram", "krylov")
    blocks, dtype = column_blocks(matrix), options.dtype(matrix)
    found = merged_records(
        blocks,
        lambda block: RowComoments.of(block, center=options.center, dtype=dtype),
        RowComoments.merge,
        8 * matrix.nrows**2,
        segment_bytes=8 * matrix.nrows**2,
    )
    mean = np.concatenate(found.means)[: matrix.ncolumns]
    matrix.check_finite(found.products)
    squares, left = _leading(found.products, options.k, dtype)
    values = np.sqrt(squares)
    weights = np.divide(left, values, out=np.zeros_like(left), where=values > 0)
    kernel = Stacked(_combined, {"weights": weights.astype(dtype), "center": options.center})
    shape = (options.k, blocks.spec.shape[1])
    parts = blocks.map(kernel, shape, np.dtype(np.float64)).collect()
    vectors = np.concatenate(list(parts), axis=1)[:, : matrix.ncolumns]
    total = float(np.trace(found.products))
    return Decomposition(values, _signed(vectors), mean, total, "rowgram", 2)


def _combined(blocks: Array, weights: Array, center: bool) -> Array:
    """Combine the rows of each block of columns, of shape ``(m, n, w)``."""
    out = np.empty((len(blocks), weights.shape[1], blocks.shape[2]))
    for target, columns in zip(out, blocks, strict=True):
        tile, _ = centered_columns(columns, center=center, dtype=weights.dtype)
        np.matmul(weights.T, tile, out=target)
    return out


def _krylov(matrix: Matrix, options: Options) -> Decomposition:
    """Rayleigh-Ritz approximation in a block Krylov space.

    Musco and Musco, "Randomized block Krylov methods for stronger and faster approximate singular
    value decomposition", NeurIPS 2015. The images of all vectors are kept, so that the projection
    takes no pass of its own.
    """
    width = min(options.k + _MORE, matrix.nrows, matrix.ncolumns)
    check_partial(8 * matrix.ncolumns * width, "the block of vectors")
    rng = np.random.default_rng(0 if options.seed is None else options.seed)
    basis, _ = np.linalg.qr(rng.standard_normal((matrix.ncolumns, width)))
    dtype = options.dtype(matrix)
    space, values, passes, converged = _Space(dtype), np.zeros(options.k), 0, False
    while not converged and passes < max(options.max_iter, 2):
        found: Sketch = matrix.aggregate(Sketch, basis.nbytes, basis=basis, dtype=dtype)
        passes += 1
        images, total = found.products, found.total
        if not options.center:
            images = images + np.outer(found.mean, found.image * found.count)
            total += float(found.mean @ found.mean) * found.count
        matrix.check_finite(images, total)
        space.add(basis, images)
        previous, values = values, np.sqrt(space.ritz(options.k)[0])
        basis = space.next()
        near = np.abs(values - previous) <= options.tol * np.maximum(values, _LOSS * values[0])
        converged = not basis.shape[1] or bool(near.all())
        if space.nbytes > _BASIS_BYTES:
            space.restart(width)
    if not converged:
        warnings.warn(
            f"singular values have not converged to tol={options.tol:g} in {passes} passes: give "
            "a larger max_iter or tol",
            stacklevel=caller_level(),
        )
    vectors = _signed(space.vectors(space.ritz(options.k)[1]).T)
    return Decomposition(values, vectors, found.mean, total, "krylov", passes, converged)


class _Space:
    """Orthonormal blocks of vectors, their images, and the projected matrix.

    Parameters
    ----------
    dtype : dtype
        Of the products that images are sums of.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._bases: list[Array] = []
        self._images: list[Array] = []
        self._projected = np.zeros((0, 0))

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors and their images."""
        return 2 * sum(basis.nbytes for basis in self._bases)

    def add(self, basis: Array, images: Array) -> None:
        """Append a block, orthogonal to those before."""
        self._bases.append(basis)
        self._images.append(images)
        across = np.concatenate([one.T @ images for one in self._bases])
        size, width = len(self._projected), basis.shape[1]
        grown = np.zeros((size + width, size + width))
        grown[:size, :size] = self._projected
        grown[:, size:] = across
        grown[size:, :size] = across[:size].T
        grown[size:, size:] = (across[size:] + across[size:].T) / 2
        self._projected = grown

    def ritz(self, k: int) -> tuple[Array, Array]:
        """Largest eigenvalues of the projected matrix, and their eigenvectors as columns."""
        return _leading(self._projected, k, self._dtype)

    def next(self) -> Array:
        """Return an orthonormal basis of what the last images add to the space."""
        images = self._images[-1]
        least = _LEAST_IMAGE[self._dtype.char] * float(np.linalg.norm(images, 2))
        block = self._orthogonal(images)
        basis, triangle = np.linalg.qr(block)
        left, sizes, _ = np.linalg.svd(triangle)
        basis, _ = np.linalg.qr(self._orthogonal(basis @ left[:, sizes > least]))
        return basis

    def _orthogonal(self, block: Array) -> Array:
        for basis in self._bases:
            block = block - basis @ (basis.T @ block)
        return block

    def restart(self, width: int) -> None:
        """Keep the best vectors only; their images are known."""
        _, coefficients = self.ritz(width)
        basis, images = self.vectors(coefficients), self._combined(self._images, coefficients)
        self._bases, self._images, self._projected = [], [], np.zeros((0, 0))
        self.add(basis, images)

    def vectors(self, coefficients: Array) -> Array:
        """Combine the vectors of all blocks."""
        return self._combined(self._bases, coefficients)

    def _combined(self, blocks: list[Array], coefficients: Array) -> Array:
        out, start = np.zeros((len(blocks[0]), coefficients.shape[1])), 0
        for block in blocks:
            out += block @ coefficients[start : start + block.shape[1]]
            start += block.shape[1]
        return out


def _leading(symmetric: Array, k: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the k largest eigenvalues, 0 where they are rounding errors, and eigenvectors.

    Eigenvectors are columns. Beyond the size of the matrix there are zeros. The elements are sums
    of products of a dtype.
    """
    size = len(symmetric)
    few = (size - k, size - 1) if 4 * k < size else None
    squares, vectors = scipy.linalg.eigh(symmetric, subset_by_index=few, check_finite=False)
    squares, vectors = squares[::-1], vectors[:, ::-1]
    least = size * float(np.finfo(np.float64).eps) * max(float(squares[0]), 0.0)
    if dtype == np.float32:  # independent errors of the elements, relative to the diagonal
        least = 4 * float(np.finfo(dtype).eps) * float(np.trace(symmetric)) / math.sqrt(size)
    squares, rows = _padded(np.where(squares > least, squares, 0), vectors.T, k)
    return squares, rows.T


def _padded(values: Array, rows: Array, k: int) -> tuple[Array, Array]:
    """Return the first k values and rows; zeros where there are fewer."""
    missing = max(k - len(values), 0)
    rows = np.concatenate([rows[:k], np.zeros((missing, rows.shape[1]))])
    return np.concatenate([values[:k], np.zeros(missing)]), rows


def _signed(vectors: Array) -> Array:
    """Flip vectors whose entry of largest magnitude is negative; of several, the first counts."""
    largest = np.argmax(np.abs(vectors), axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), largest])
    return np.ascontiguousarray(vectors) * np.where(signs == 0, 1, signs)[:, np.newaxis]


def _check_size(size: int, what: str, method: str, other: str) -> None:
    if size > _MOST:
        raise SpecError(
            f"method={method!r} makes a matrix of {size} x {size} {what}, at most {_MOST} x "
            f"{_MOST}: give method={other!r}"
        )
