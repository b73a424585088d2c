"""Correlation along one axis."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from thunderlike.arrays.filling import Work, fill
from thunderlike.arrays.lines import correlate_block
from thunderlike.arrays.processing import counts
from thunderlike.arrays.records import is_collection, with_kernel
from thunderlike.arrays.sinks import into
from thunderlike.arrays.sources import Source, as_source, checked, native
from thunderlike.errors import BadIndex, SpecError
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import as_array, checked_arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike._typing import Array
    from thunderlike.arrays.cutting import Box
    from thunderlike.arrays.processing import Verbose

    Mode: TypeAlias = Literal["constant", "nearest", "reflect", "mirror", "wrap"]

__all__ = ["correlate1d", "exact_dtype"]

# What numpy.pad calls scipy's modes.
_MOST = 2**23  # elements of a block: the ends of each are converted again for the next
_PADS = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}


@checked_arguments
def correlate1d(
    source: Any,
    kernel: Any,
    sink: Any = None,
    axis: int = 0,
    processes: int | str | None = None,
    verbose: Verbose = False,
    *,
    mode: Mode = "constant",
    cval: float = 0,
    origin: int = 0,
) -> Any:
    """Correlate with a kernel along one axis: ``sink[i] = sum_k source[i + k - c] * kernel[k]``.

    The kernel is not turned round, and its centre `c` is ``len(kernel) // 2``, as in
    `scipy.ndimage.correlate1d`, whose values these are to the last bit.

    Parameters
    ----------
    source : array-like, path or node
        At least one axis. Images and Series give the same kind, on Spark too: along an axis
        of the records, or along time.
    kernel : array-like, shape (k,)
        Any length from 1 on, also more than the axis has.
    sink : ndarray, path or node, optional
        May be the source itself. Floats become the nearest whole number in a sink of integers, and
        what is beyond the ends of its dtype becomes that end.
    axis : int
        Along which; negative ones count from the last.
    processes, verbose
        As in :func:`apply_lut`.
    mode : 'constant', 'nearest', 'reflect', 'mirror' or 'wrap'
        What stands beyond the ends, as in scipy.
    cval : number
        What it is for 'constant'.
    origin : int
        By how much the centre is moved.

    Returns
    -------
    ndarray, memmap or the sink
        **Whole numbers with a whole-number kernel** are summed exactly, and the result is of the
        smallest integer dtype that holds every sum there can be, int64 at most: uint8 with
        ``[1, 2, 1]`` gives uint16. Otherwise ``numpy.result_type(source, kernel)``, summed in
        float64.

    Raises
    ------
    SpecError
        For an empty kernel, an array without axes, or an unknown mode.
    BadIndex
        For an axis that there is not.

    Notes
    -----
    One pass, and len(kernel) multiplications for an element.

    Examples
    --------
    >>> correlate1d([1, 2, 3, 4], [1, 1, 1])
    array([3, 6, 9, 7])
    >>> correlate1d(np.array([200, 100], "uint8"), [3])
    array([600, 300], dtype=uint16)
    """
    weights = _weights(kernel)
    options = {"mode": mode, "cval": cval, "origin": origin}
    if sink is None and is_collection(source):
        call = partial(_of_stack, weights, options)
        return with_kernel(source, axis, call)
    found = as_source(source)
    # Few blocks: where one is cut from the next, both need the other's ends.
    work = Work("correlate1d", 2 * counts(processes)[0], processes, verbose)
    at = _axis(axis, found.shape)
    cval = {"constant": cval}.get(mode, 0)
    dtype = exact_dtype(found.dtype, weights, cval)
    taps = _Taps(found, weights, at, _beyond(found.shape[at], len(weights), mode, origin), cval)
    return fill(
        taps, found.shape, dtype, sink, work, order=found.order, casting=_casting(dtype),
        sources=(found.array, weights), most=_MOST,
    )  # fmt: skip


def _of_stack(weights: Array, options: Any, stack: Array, axis: int) -> Array:
    made: Array = correlate1d(stack, weights, axis=axis, processes="serial", **options)
    return made


def _weights(kernel: Any) -> Array:
    weights = as_array(kernel, "the weights of the kernel")
    if weights.ndim != 1 or not weights.size:
        raise SpecError(f"a kernel is a line of at least one number, not shape {weights.shape}")
    checked(weights.dtype, "a kernel")
    return native(weights) if weights.dtype.char != "e" else weights


def _axis(axis: int, shape: tuple[int, ...]) -> int:
    if not shape:
        raise SpecError("a single number has no axis to correlate along: give an array")
    if not -len(shape) <= axis < len(shape):
        raise BadIndex(
            f"there is no axis {axis} in an array of shape {shape}: give 0 to {len(shape) - 1}"
        )
    return axis % len(shape)


def _casting(dtype: np.dtype[Any]) -> str:
    """Results fit any dtype of real numbers, since they are rounded and kept within its ends."""
    return "unsafe" if dtype.kind in "iuf" else "same_kind"


def exact_dtype(dtype: np.dtype[Any], weights: Array, cval: float = 0) -> np.dtype[Any]:
    """The dtype of a correlation; for whole numbers the smallest that holds every sum.

    Examples
    --------
    >>> exact_dtype(np.dtype("uint8"), np.array([1, -1])), exact_dtype(np.dtype("f4"), np.ones(2))
    (dtype('int16'), dtype('float64'))
    """
    if dtype.kind == "f" or weights.dtype.kind == "f":
        return np.result_type(dtype, weights.dtype)
    numbers = np.iinfo("uint8" if dtype.kind == "b" else dtype)
    largest = 1 if dtype.kind == "b" else max(numbers.max, -int(numbers.min))
    bound = max(largest, abs(int(cval))) * sum(abs(int(w)) for w in weights)
    negative = dtype.kind == "i" or int(cval) < 0 or bool((weights < 0).any())
    for bits in (8, 16, 32, 64):
        fit = np.dtype(f"{'int' if negative else 'uint'}{bits}")
        if bound <= np.iinfo(fit).max:
            return fit
    return np.dtype(np.int64)


def _beyond(n: int, taps: int, border: str, origin: int) -> NDArray[np.int64]:
    """Which position stands at each place of the axis with its ends prolonged; -1 for `cval`."""
    before = taps // 2 + origin
    if not 0 <= before < taps:
        raise SpecError(f"origin {origin} moves the centre out of a kernel of {taps} numbers")
    pads, places = (before, taps - 1 - before), np.arange(n, dtype=np.int64)
    if border == "constant" or n == 0:
        return np.pad(places, pads, constant_values=-1)
    if border not in _PADS:
        known = ", ".join(["constant", *_PADS])
        raise SpecError(f"there is no mode {border!r}: choose one of {known}")
    how: Any = _PADS[border]
    return np.pad(places, pads, mode=how)


class _Taps:
    """Computes boxes of the result.

    Parameters
    ----------
    places : ndarray of int64
        What stands at each place of the axis with its ends prolonged.
    """

    def __init__(
        self, source: Source, weights: Array, axis: int, places: NDArray[np.int64], cval: float
    ) -> None:
        self._source, self._axis, self._places = source, axis, places
        self._exact = source.dtype.kind in "biu" and weights.dtype.kind in "biu"
        self._weights = weights.astype(np.int64 if self._exact else np.float64)
        self._cval = self._weights.dtype.type(cval)  # type: ignore[arg-type]
        compiled = use_compiled(source.size)
        self._correlate = correlate_block.choose(compiled, _plain(source.dtype))

    def __call__(self, box: Box, out: Array) -> None:
        """Write the values of a box."""
        axis = self._axis
        places = self._places[box[axis].start : box[axis].stop + len(self._weights) - 1]
        values, first = self._needed(box, places)
        order = sorted(range(out.ndim), key=lambda a: -abs(out.strides[a]))
        at, target = order.index(axis), out.transpose(order)
        lines = _lines(np.ascontiguousarray(values.transpose(order)), at)
        local = np.where(places < 0, -1, places - first)
        direct = target.flags.c_contiguous and self._writes(target.dtype)
        sums = target if direct else np.empty(target.shape, self._weights.dtype)
        self._correlate(lines, local, self._weights, self._cval, _lines(sums, at))
        if not direct:
            into(target, sums)

    def _writes(self, dtype: np.dtype[Any]) -> bool:
        """Whether a sum becomes this dtype by a plain conversion."""
        if not dtype.isnative or dtype.char in "eg?":
            return False
        if not self._exact:
            return dtype.kind == "f"
        wide = exact_dtype(self._source.dtype, self._weights, self._cval.item())
        return np.can_cast(wide, dtype) or (dtype == np.uint64 and wide == np.uint64)

    def _needed(self, box: Box, places: NDArray[np.int64]) -> tuple[Array, int]:
        """The part of the source from which a box is made, and where on the axis it begins."""
        there = places[places >= 0]
        first, last = (int(there.min()), int(there.max()) + 1) if there.size else (0, 1)
        axis = self._axis
        values = self._source.get((*box[:axis], slice(first, last), *box[axis + 1 :]))
        values = native(values)
        if values.dtype == np.uint64:
            return values.view(np.int64), first  # sums wrap around as they would unsigned
        return (values.view(np.uint8) if values.dtype == bool else values), first


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which a box arrives at the loops."""
    return native(np.empty(0, dtype)).dtype


def _lines(array: Array, axis: int) -> Array:
    """A view of a contiguous array as ``(outer, along, inner)``."""
    shape = array.shape
    outer = int(np.prod(shape[:axis], dtype=np.int64))
    inner = int(np.prod(shape[axis + 1 :], dtype=np.int64))
    return array.reshape(outer, shape[axis], inner)
