"""Images at displaced positions: whole shifts, fields of shifts, and shifted odd rows.

Displacements are pulled: the result at `r` is the image at ``r + u(r)``. Each image is computed for
itself in a fixed order, so that a stack has the bits of its images alone; the compiled loops and
numpy give equal bits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.kernels._numba import jit, use_compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Shape

__all__ = ["deinterlace", "resampled_dtype", "shift_images", "warp_images"]

_ORDERS = (0, 1, 3)

Taps: TypeAlias = tuple[int, "Array"]  # place of the first tap relative to a pixel, the weights


def resampled_dtype(
    dtype: DTypeLike, order: int = 3, fill: str | float = "nearest", out: DTypeLike | None = None
) -> np.dtype[Any]:
    """Return the dtype of resampled images, or refuse the arguments.

    Parameters
    ----------
    dtype : dtype
        Of the images.
    order : {0, 1, 3}
    fill : 'nearest', 'nan' or number
    out : dtype, optional
        Of the result; by default that of the images, in native byte order.

    Raises
    ------
    SpecError
        For another order or fill, images of dtypes without an order or, if they are interpolated,
        of bool, and for NaN in whole numbers.

    Examples
    --------
    >>> resampled_dtype(">u2"), resampled_dtype("uint16", fill="nan", out="float32")
    (dtype('uint16'), dtype('float32'))
    """
    found = np.dtype(dtype).newbyteorder("=")
    result = found if out is None else np.dtype(out).newbyteorder("=")
    if isinstance(order, bool) or order not in _ORDERS:
        raise SpecError(f"order {order!r} must be 0 (nearest pixel), 1 (linear) or 3 (cubic)")
    if found.kind not in ("biuf" if order == 0 else "iuf") or result.kind not in "biuf":
        raise SpecError(
            f"images of {found} cannot be resampled to {result} with order {order}: convert them "
            "first, for example with astype('float32'), or give order=0 for bool"
        )
    if isinstance(fill, str) and fill not in ("nearest", "nan"):
        raise SpecError(f"fill {fill!r} must be 'nearest', 'nan' or a number")
    if result.kind != "f" and fill != "nearest" and not math.isfinite(float(fill)):
        raise SpecError(f"fill {fill!r} is no value of {result}: give dtype='float32', or a number")
    return result


def shift_images(
    stack: Array,
    shifts: Array,
    order: int = 3,
    fill: str | float = "nearest",
    dtype: DTypeLike | None = None,
    *,
    compiled: bool | None = None,
) -> Array:
    """Resample each image at positions displaced by one shift.

    Parameters
    ----------
    stack : ndarray, shape (k, *frame)
        Images of 1 to 3 axes; never written to.
    shifts : ndarray of float64, shape (k, nd)
        Pixels along each axis: the result at `r` is the image at ``r + shift``.
    order : {0, 1, 3}
        Nearest pixel, linear, or cubic convolution.
    fill : 'nearest', 'nan' or number
        Value of pixels whose position is outside of the image: the nearest pixel, or this.
    dtype : dtype, optional
        Of the result; by default that of the stack. Whole numbers are rounded and clipped; NaN in
        them becomes 0.
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the stack decides.

    Returns
    -------
    ndarray, shape (k, *frame)
        Bit for bit values of the stack for shifts of whole pixels, and with order 0. NaN where a
        pixel of non-zero weight is NaN or inf.

    Raises
    ------
    SpecError
        As :func:`resampled_dtype`, for shifts of another shape, and for shifts that are not finite.

    Notes
    -----
    Cubic convolution with a = -0.5 [1]_, 4 pixels an axis. Computed in float32 for images of
    float32 and of whole numbers of at most 16 bits, else in float64; one float image is allocated.

    References
    ----------
    .. [1] R. Keys, "Cubic convolution interpolation for digital image processing", IEEE
       Transactions on Acoustics, Speech, and Signal Processing 29 (1981), 1153-1160.

    Examples
    --------
    >>> row = np.array([[0, 10, 20, 30]], "uint8")
    >>> shift_images(row, np.array([[1.0]])), shift_images(row, np.array([[0.5]]), order=1)
    (array([[10, 20, 30, 30]], dtype=uint8), array([[ 5, 15, 25, 30]], dtype=uint8))
    """
    result = resampled_dtype(stack.dtype, order, fill, dtype)
    shape, shifts = stack.shape[1:], np.asarray(shifts, np.float64)
    if not 1 <= len(shape) <= 3 or shifts.shape != (len(stack), len(shape)):
        raise SpecError(
            f"shifts of shape {shifts.shape} do not fit images of shape {stack.shape}: give "
            "(images, axes), of 1 to 3 axes"
        )
    if not np.isfinite(shifts).all():
        raise SpecError(f"image {int((~np.isfinite(shifts)).argmax()) // len(shape)} has no shift")
    interpolate = _interpolate.choose(_decided(stack, compiled))
    working, out = _working(stack.dtype), np.empty(stack.shape, result)
    for image, shift, target in zip(stack, shifts, out, strict=True):
        taps = [_taps(u, n, order, working) for u, n in zip(shift, shape, strict=True)]
        if all(len(weights) == 1 for _, weights in taps):
            nearest = (_edge(n, first) for n, (first, _) in zip(shape, taps, strict=True))
            target[...] = _stored(image[np.ix_(*nearest)], result)
        else:
            volume = _floats(image, working).reshape((1,) * (3 - len(shape)) + shape)
            starts, weights = zip(
                *[(0, np.ones(1, working))] * (3 - len(shape)), *taps, strict=True
            )
            moved = interpolate(volume, starts, *weights)
            target[...] = _stored(moved.reshape(shape), result)
        if fill != "nearest":
            _fill_outside(target, taps, shift, order, float(fill))
    return out


def warp_images(
    stack: Array,
    fields: Array,
    nodes: Sequence[Array],
    order: int = 3,
    fill: str | float = "nearest",
    dtype: DTypeLike | None = None,
    *,
    compiled: bool | None = None,
) -> Array:
    """Resample each image at positions displaced by a field.

    Parameters
    ----------
    stack : ndarray, shape (k, *frame)
        Images of 2 or 3 axes; never written to.
    fields : ndarray of float32, shape (k, nd, *nodes)
        Displacement along each axis at each node, in pixels; linear between nodes, and constant
        beyond the first and last.
    nodes : sequence of ndarray
        Increasing positions of the nodes along each axis, in pixels. One node along an axis
        stands for a field that is constant along it.
    order, fill, dtype, compiled
        As for :func:`shift_images`.

    Returns
    -------
    ndarray, shape (k, *frame)

    Raises
    ------
    SpecError
        As :func:`shift_images`.

    Notes
    -----
    16 pixels and 8 weights a pixel of a cubic frame, 64 and 12 of a volume. One float image with
    a border as wide as the largest displacement is allocated, without compiled loops some more.

    Examples
    --------
    >>> image = np.arange(12.0).reshape(1, 3, 4)
    >>> field = np.zeros((1, 2, 1, 2), "float32")
    >>> field[0, 1, 0] = 0, 1
    >>> warp_images(image, field, [np.array([0]), np.array([0, 2])], order=1)[0, 0]
    array([0. , 1.5, 3. , 3. ])
    """
    result = resampled_dtype(stack.dtype, order, fill, dtype)
    shape, grid = stack.shape[1:], tuple(len(axis) for axis in nodes)
    if len(shape) not in (2, 3) or fields.shape != (len(stack), len(shape), *grid):
        raise SpecError(
            f"fields of shape {fields.shape} on {grid} nodes do not fit images of shape "
            f"{stack.shape}: give (images, axes, *nodes), of 2 or 3 axes"
        )
    if not np.isfinite(fields).all():
        raise SpecError("fields are not finite in some image")
    warp, places = _warp.choose(_decided(stack, compiled)), [*map(_places, nodes, shape)]
    working, out = _working(stack.dtype), np.empty(stack.shape, result)
    limits = np.array(shape, np.float32).reshape(-1, *(1,) * len(shape))
    for image, field, target in zip(stack, fields, out, strict=True):
        # Beyond its length along an axis, every pixel is the edge.
        lines = _between(field.astype(np.float32), places[:-1]).clip(-limits, limits)
        if order == 0 or fill != "nearest":
            dense = _along_rows(lines, *places[-1])
        if order == 0:
            target[...] = _stored(image[_nearest_of(dense, shape)], result)
        else:
            padded, border = _padded(image, lines, working)
            rows = lines.reshape(len(lines), -1, lines.shape[-1])
            moved = warp(padded, border, rows, *places[-1], order)
            target[...] = _stored(moved.reshape(shape), result)
        if fill != "nearest":
            outside = _is_outside(dense, shape, order)
            target[outside] = _stored(np.array(float(fill), working), result)
    return out


def deinterlace(stack: Array, offset: float, *, compiled: bool | None = None) -> Array:
    """Move the content of odd rows by ``-offset`` pixels along the last axis.

    Scanners that record lines in both directions displace every other row.

    Parameters
    ----------
    stack : ndarray, shape (k, ..., y, x)
        Never written to.
    offset : float
        Displacement of rows 1, 3, ..., in pixels.
    compiled : bool, optional
        Whether to run compiled loops; by default, the size of the stack decides.

    Returns
    -------
    ndarray, shape and dtype of `stack`
        Even rows have the same values, odd ones are interpolated linearly; the edge is repeated.

    Raises
    ------
    SpecError
        As :func:`shift_images`.

    Examples
    --------
    >>> deinterlace(np.array([[[1, 2, 3], [0, 1, 2], [1, 2, 3]]]), 1.0)
    array([[[1, 2, 3],
            [1, 2, 2],
            [1, 2, 3]]])
    """
    out = stack.astype(resampled_dtype(stack.dtype, 1))
    odd = out[..., 1::2, :]
    shifts = np.zeros((len(stack), stack.ndim - 1))
    shifts[:, -1] = offset
    if odd.size and offset:
        odd[...] = shift_images(odd, shifts, order=1, compiled=compiled)
    return out


def _decided(stack: Array, compiled: bool | None) -> bool:
    """Answer of the caller, else by the size of the stack; images of no pixels have no loops."""
    return bool(stack.size) and (use_compiled(stack.size) if compiled is None else compiled)


def _working(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Float of the computation: single precision holds whole numbers of 16 bits."""
    single = dtype.itemsize <= 2 or dtype == np.float32
    return np.dtype(np.float32 if single else np.float64)


def _stored(values: Array, dtype: np.dtype[Any]) -> Array:
    """Values of another dtype: rounded to whole numbers, within its limits, and NaN as 0."""
    if dtype.kind not in "iu" or values.dtype == dtype:
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    if values.dtype.kind != "f":
        own = np.iinfo(np.uint8 if values.dtype.kind == "b" else values.dtype)
        within = np.clip(values, max(own.min, limits.min), min(own.max, limits.max))
        return within.astype(dtype)
    highest = values.dtype.type(limits.max)
    if int(highest) > limits.max:  # the float above, which no whole number of the dtype is
        highest = np.nextafter(highest, values.dtype.type(0))
    rounded = np.asarray(np.rint(values))
    np.clip(rounded, values.dtype.type(limits.min), highest, out=rounded)
    if np.isnan(rounded.min(initial=highest)):
        np.copyto(rounded, 0, where=np.isnan(rounded))
    return rounded.astype(dtype)


def _floats(image: Array, working: np.dtype[Any]) -> Array:
    """Copy an image to the float of the computation, with NaN for inf."""
    values = image.astype(working, order="C")
    if image.dtype.kind == "f":
        np.copyto(values, np.nan, where=np.isinf(values))
    return values


def _taps(shift: float, length: int, order: int, working: np.dtype[Any]) -> Taps:
    """Place of the first pixel and the weights, for a displacement along an axis."""
    shift = min(max(shift, -2.0 * length), 2.0 * length)  # beyond, every pixel is the edge
    if order == 0:
        return math.floor(shift + 0.5), np.ones(1, working)
    first = math.floor(shift)
    fraction = shift - first
    if not fraction:
        return first, np.ones(1, working)
    if order == 1:
        return first, np.array([1 - fraction, fraction], working)
    return first - 1, np.array(_keys(fraction), working)


def _keys(f: Any) -> tuple[Any, Any, Any, Any]:
    """Weights of the pixels at -1, 0, 1 and 2 for a position `f` between 0 and 1."""
    g = 1.0 - f
    return (
        -0.5 * f * (g * g),
        1.0 + f * f * (1.5 * f - 2.5),
        1.0 + g * g * (1.5 * g - 2.5),
        -0.5 * g * (f * f),
    )


def _edge(length: int, start: int) -> Array:
    """Pixels `start`, `start` + 1, ... of an axis, as many as it has, the edges repeated."""
    return np.arange(start, start + length).clip(0, length - 1)


def _fill_outside(
    target: Array, taps: Sequence[Taps], shift: Array, order: int, value: float
) -> None:
    """Write `value` where a shift leaves the image."""
    filling = _stored(np.array(value, _working(target.dtype)), target.dtype)
    for axis, (length, (first, _), u) in enumerate(zip(target.shape, taps, shift, strict=True)):
        position = np.arange(length) + (first if order == 0 else u)
        outside = (position < 0) | (position > length - 1)
        target[(*(slice(None),) * axis, outside)] = filling


def _interpolate_plain(
    image: Array, starts: tuple[int, int, int], wz: Array, wy: Array, wx: Array
) -> Array:
    """Displace a volume by one shift, an axis after the other."""
    for axis, (start, weights) in enumerate(zip(starts, (wz, wy, wx), strict=True)):
        if len(weights) == 1:
            image = image.take(_edge(image.shape[axis], start), axis)
            continue
        moved = np.zeros_like(image)
        for tap, weight in enumerate(weights):
            moved += weight * image.take(_edge(image.shape[axis], start + tap), axis)
        image = moved
    return image


@jit(plain=_interpolate_plain)
def _interpolate(
    image: Array, starts: tuple[int, int, int], wz: Array, wy: Array, wx: Array
) -> Array:
    """Bound by the nearest cache: each row of the result is made of its 4 or 16 rows at once."""
    nz, ny, nx = image.shape
    out = np.zeros_like(image)
    row, line = np.empty(nx, image.dtype), np.empty(nx + len(wx) - 1, image.dtype)
    plane = np.empty(nx, image.dtype)
    for z in range(nz):
        for y in range(ny):
            row[:] = 0
            for b in range(len(wy)):
                from_y = min(max(y + starts[1] + b, 0), ny - 1)
                if len(wz) == 1:  # of weight 1
                    source = image[min(max(z + starts[0], 0), nz - 1), from_y]
                    for x in range(nx):
                        row[x] += wy[b] * source[x]
                    continue
                plane[:] = 0
                for c in range(len(wz)):
                    source = image[min(max(z + starts[0] + c, 0), nz - 1), from_y]
                    for x in range(nx):
                        plane[x] += wz[c] * source[x]
                for x in range(nx):
                    row[x] += wy[b] * plane[x]
            for x in range(len(line)):
                line[x] = row[min(max(x + starts[2], 0), nx - 1)]
            target = out[z, y]
            for a in range(len(wx)):
                shifted = line[a : a + nx]
                for x in range(nx):
                    target[x] += wx[a] * shifted[x]
    return out


Places: TypeAlias = "tuple[Array, Array, Array]"  # nodes before and after a pixel, the fraction


def _places(nodes: Array, length: int) -> Places:
    """Place of each pixel of an axis between the nodes."""
    nodes = np.asarray(nodes, np.float64)
    pixels = np.arange(length).clip(nodes[0], nodes[-1])
    after = np.searchsorted(nodes, pixels).clip(min(1, len(nodes) - 1), len(nodes) - 1)
    before = np.maximum(after - 1, 0)
    apart = np.maximum(nodes[after] - nodes[before], 1e-12)
    return before, after, ((pixels - nodes[before]) / apart).astype(np.float32)


def _between(field: Array, places: Sequence[Places]) -> Array:
    """Interpolate along the first axes of a grid; shape (nd, *pixels, nodes of the last axis)."""
    for axis, (before, after, fraction) in enumerate(places, start=1):
        left, right = field.take(before, axis), field.take(after, axis)
        field = left + fraction.reshape(-1, *(1,) * (field.ndim - axis - 1)) * (right - left)
    return field


def _along_rows(lines: Array, before: Array, after: Array, fraction: Array) -> Array:
    """Interpolate along the last axis: the displacement of every pixel."""
    left, right = lines[..., before], lines[..., after]
    dense: Array = left + fraction * (right - left)
    return dense


def _nearest_of(dense: Array, shape: Shape) -> tuple[Array, ...]:
    """Pixel nearest to each displaced position, the edges repeated."""
    here = np.indices(shape, sparse=True)
    return tuple(
        (r + np.floor(u + np.float32(0.5)).astype(np.int64)).clip(0, n - 1)
        for r, u, n in zip(here, dense, shape, strict=True)
    )


def _is_outside(dense: Array, shape: Shape, order: int) -> Array:
    """Mask of the pixels whose position is outside of the image."""
    outside = np.zeros(shape, bool)
    for r, u, n in zip(np.indices(shape, sparse=True), dense, shape, strict=True):
        position = r + (np.floor(u + np.float32(0.5)) if order == 0 else u.astype(np.float64))
        outside |= (position < 0) | (position > n - 1)
    return outside


def _padded(image: Array, lines: Array, working: np.dtype[Any]) -> tuple[Array, Array]:
    """A volume with repeated edges, so that no displaced pixel leaves it, and the borders."""
    reach = np.abs(lines).reshape(len(lines), -1).max(axis=1, initial=0)
    border = np.ceil(reach).astype(np.int64) + 2
    padded = np.pad(_floats(image, working), [(b, b) for b in border], mode="edge")
    if image.ndim == 2:
        padded, border = padded[np.newaxis], np.append(0, border)
    return padded, border


def _weights(displacement: Array, order: int, working: np.dtype[Any]) -> tuple[Array, Array]:
    """Place of the first pixel, and weights of shape (taps, ...), for displacements."""
    first = np.floor(displacement)
    f = displacement.astype(working) - first.astype(working)
    weights = _keys(f) if order == 3 else (1 - f, f)
    return first.astype(np.int64) - (order == 3), np.stack(weights)


def _warp_plain(
    image: Array,
    border: Array,
    lines: Array,
    before: Array,
    after: Array,
    fraction: Array,
    order: int,
) -> Array:
    """Displace a volume by a field, a plane at a time; `image` has a border."""
    nz, (ny, nx) = image.shape[0] - 2 * border[0], (lines.shape[1], len(before))
    ny //= nz
    out = np.empty((nz, ny, nx), image.dtype)
    flat, step = image.reshape(-1), (image.shape[1] * image.shape[2], image.shape[2], 1)
    y, x = np.indices((ny, nx), sparse=True)
    for z in range(nz):
        rows = lines[:, z * ny : (z + 1) * ny]
        taps = [_weights(u, order, image.dtype) for u in _along_rows(rows, before, after, fraction)]
        if len(taps) == 2:
            taps.insert(0, (np.zeros((), np.int64), np.ones((1, ny, nx), image.dtype)))
        place = sum(
            (r + b + first) * n
            for r, b, (first, _), n in zip((z, y, x), border, taps, step, strict=True)
        )
        weights = [w for _, w in taps]
        out[z] = _gathered(flat, place, step, weights)
        bad = ~np.isfinite(out[z])
        if bad.any():
            out[z][bad] = _gathered(flat, place[bad], step, [w[:, bad] for w in weights], skip=True)
    return out


def _gathered(
    flat: Array, place: Array, step: Sequence[int], weights: Sequence[Array], *, skip: bool = False
) -> Array:
    """Weighted sums of the pixels from `place` on; with `skip`, without those of weight 0."""
    total: Array = np.zeros_like(weights[-1][0])
    for c, wz in enumerate(weights[0]):
        plane = np.zeros_like(total)
        for b, wy in enumerate(weights[1]):
            row = np.zeros_like(total)
            for a, wx in enumerate(weights[2]):
                value = flat[place + (c * step[0] + b * step[1] + a)]
                if skip:
                    value[(wz == 0) | (wy == 0) | (wx == 0)] = 0
                row += wx * value
            plane += wy * row
        total += wz * plane
    return total


def _ends(before: Array, after: Array) -> Array:
    """End of each run of pixels that are between the same nodes."""
    ends = np.empty(len(before), np.int64)
    count = 0
    for x in range(1, len(before)):
        ends[count] = x
        count += before[x] != before[x - 1] or after[x] != after[x - 1]
    ends[count] = len(before)
    return ends[: count + 1]


def _split(
    line: Array, places: Places, ends: Array, step: int, moved: Array, part: Array, place: Array
) -> None:
    """Split the displacements of a row of pixels at the whole number, and move their places."""
    before, after, fraction = places
    start = 0
    for stop in ends:
        left, right = line[before[start]], line[after[start]]
        for x in range(start, stop):
            moved[x] = left + fraction[x] * (right - left)
        start = stop
    for x in range(len(part)):
        part[x] = part.dtype.type(moved[x]) - part.dtype.type(np.floor(moved[x]))
    for x in range(len(part)):
        place[x] += step * np.int64(np.int32(np.floor(moved[x])))


def _linear(above: Array, below: Array, fy: Array, fx: Array, target: Array) -> None:
    """Interpolate pixels in line, of two rows."""
    zero, one = fx.dtype.type(0), fx.dtype.type(1)
    for x in range(len(target)):
        right, down = fx[x], fy[x]
        left = one - right
        total = zero + (one - down) * (left * above[x] + right * above[x + 1])
        target[x] = total + down * (left * below[x] + right * below[x + 1])


def _cubic(
    row0: Array, row1: Array, row2: Array, row3: Array, fy: Array, fx: Array, target: Array
) -> None:
    """Interpolate pixels in line, of four rows."""
    zero, one, half = fx.dtype.type(0), fx.dtype.type(1), fx.dtype.type(0.5)
    steep, flat = fx.dtype.type(1.5), fx.dtype.type(2.5)
    for x in range(len(target)):
        f, g = fx[x], one - fx[x]
        a = -half * f * (g * g)
        b = one + f * f * (steep * f - flat)
        c = one + g * g * (steep * g - flat)
        d = -half * g * (f * f)
        f, g = fy[x], one - fy[x]
        total = zero + (-half * f * (g * g)) * (
            a * row0[x] + b * row0[x + 1] + c * row0[x + 2] + d * row0[x + 3]
        )
        total += (one + f * f * (steep * f - flat)) * (
            a * row1[x] + b * row1[x + 1] + c * row1[x + 2] + d * row1[x + 3]
        )
        total += (one + g * g * (steep * g - flat)) * (
            a * row2[x] + b * row2[x + 1] + c * row2[x + 2] + d * row2[x + 3]
        )
        target[x] = total + (-half * g * (f * f)) * (
            a * row3[x] + b * row3[x + 1] + c * row3[x + 2] + d * row3[x + 3]
        )


def _tap_weights(part: Any, weights: Array) -> None:
    """Fill the weights of the pixels along an axis for one position."""
    one, half = weights.dtype.type(1), weights.dtype.type(0.5)
    steep, flat = weights.dtype.type(1.5), weights.dtype.type(2.5)
    f, g = part, one - part
    if len(weights) == 4:
        weights[0] = -half * f * (g * g)
        weights[1] = one + f * f * (steep * f - flat)
        weights[2] = one + g * g * (steep * g - flat)
        weights[3] = -half * g * (f * f)
    elif len(weights) == 2:
        weights[0], weights[1] = g, f
    else:
        weights[0] = one


def _sum_without_zeros(
    flat: Array, place: int, plane: int, width: int, wz: Array, wy: Array, wx: Array
) -> Any:
    """Weighted sum of the pixels from `place` on, without those of weight 0."""
    total: Any = flat.dtype.type(0)
    for c in range(len(wz)):
        rows = flat.dtype.type(0)
        for b in range(len(wy)):
            row = flat.dtype.type(0)
            for a in range(len(wx)):
                if wz[c] != 0 and wy[b] != 0 and wx[a] != 0:
                    row += wx[a] * flat[place + c * plane + b * width + a]
            rows += wy[b] * row
        total += wz[c] * rows
    return total


@jit(plain=_warp_plain, helpers=[_ends, _split, _linear, _cubic, _tap_weights, _sum_without_zeros])
def _warp(
    image: Array,
    border: Array,
    lines: Array,
    before: Array,
    after: Array,
    fraction: Array,
    order: int,
) -> Array:
    """Bound by arithmetic: loads are in line, and none is clamped, as the image has a border."""
    axes, nz, nx = len(lines), image.shape[0] - 2 * border[0], len(before)
    ny, places = lines.shape[1] // nz, (before, after, fraction)
    out = np.empty((nz, ny, nx), image.dtype)
    flat, width = image.reshape(-1), image.shape[2]
    plane, taps, back = width * image.shape[1], order + 1, order // 2
    depth = taps if axes == 3 else 1
    part, place = np.zeros((3, nx), image.dtype), np.empty(nx, np.int64)
    wz, wy, wx = (
        np.empty(depth, image.dtype),
        np.empty(taps, image.dtype),
        np.empty(taps, image.dtype),
    )
    cells, moved = _ends(before, after), np.empty(nx, np.float32)
    ends, rows, weight = (
        np.empty(nx, np.int64),
        np.empty(nx, image.dtype),
        np.empty(nx, image.dtype),
    )
    for z in range(nz):
        for y in range(ny):
            corner = (z + border[0]) * plane + (y + border[1] - back) * width + border[2] - back
            if axes == 3:
                corner -= back * plane
            for x in range(nx):
                place[x] = corner + x
            for axis, step in ((0, plane), (1, width), (2, 1)):
                if axis >= 3 - axes:
                    line = lines[axis + axes - 3, z * ny + y]
                    _split(line, places, cells, step, moved, part[axis], place)
            runs = 0  # of pixels that are displaced by the same whole pixels
            for x in range(nx - 1):
                ends[runs] = x + 1
                runs += place[x + 1] != place[x] + 1
            ends[runs] = nx
            total = out[z, y]
            total[:] = 0
            for c in range(depth):
                start = 0
                for stop in ends[: runs + 1]:
                    first = flat[place[start] + c * plane :]
                    fy, fx, target = part[1, start:stop], part[2, start:stop], rows[start:stop]
                    if order == 3:
                        second, third, fourth = (
                            first[width:],
                            first[2 * width :],
                            first[3 * width :],
                        )
                        _cubic(first, second, third, fourth, fy, fx, target)
                    else:
                        _linear(first, first[width:], fy, fx, target)
                    start = stop
                if depth == 1:
                    total[:] = rows
                    continue
                for x in range(nx):
                    _tap_weights(part[0, x], wz)
                    weight[x] = wz[c]
                for x in range(nx):
                    total[x] += weight[x] * rows[x]
            bad = 0
            for x in range(nx):
                bad += not np.isfinite(total[x])
            if bad:
                for x in range(nx):
                    if not np.isfinite(total[x]):
                        _tap_weights(part[0, x], wz)
                        _tap_weights(part[1, x], wy)
                        _tap_weights(part[2, x], wx)
                        total[x] = _sum_without_zeros(flat, place[x], plane, width, wz, wy, wx)
    return out
