"""Residuals of displaced images, multiplied with steering images and summed along columns.

This is the inner loop of the estimation of motion, for images of two axes and volumes of three.
The compiled and the numpy form give the same bits: products and sums are in single precision, and
sums run down the columns, in the order of ``numpy.add.reduce`` over the first axis. A sum has the
rows of two cells, so that it loses no more than a few units of the last place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from typing import Any

    from thunderlike._typing import Array

__all__ = ["steered_sums"]

_ONE = np.float32(1)


def _steered_plain(
    image: Array,
    reference: Array,
    steering: Array,
    field: Array,
    rows: Array,
    row_weights: Array,
    columns: Array,
    column_weights: Array,
    brightness: Array,
    sums: Array,
) -> None:
    depth, height, width = image.shape
    below, right = row_weights[:, np.newaxis], column_weights[np.newaxis]
    above = _ONE - below
    whole, parts = [], []
    for nodes in field:
        lines = nodes[rows] * above + nodes[rows + 1] * below
        moved = lines[:, columns] * (_ONE - right) + lines[:, columns + 1] * right
        floor = np.floor(moved)
        parts.append(moved - floor)
        whole.append(floor.astype(np.int64))
    y, x = whole[-2] + np.arange(height)[:, np.newaxis], whole[-1] + np.arange(width)
    fy, fx = parts[-2:]
    within = (y >= 0) & (x >= 0) & (y + (fy > 0) < height) & (x + (fx > 0) < width)
    starts = np.searchsorted(rows, np.arange(-1, sums.shape[1] + 1))
    spans = list(zip(starts, starts[1:], starts[2:], strict=False))
    sums[:] = 0
    for plane in range(depth):
        z, inside = plane, within
        if len(field) == 3:
            z = whole[0] + plane
            inside = within & (z >= 0) & (z + (parts[0] > 0) < depth)
        z0, y0, x0 = (np.where(inside, axis, 0) for axis in (z, y, x))
        value = _plane_values(image, z0, y0, x0, fy, fx)
        if len(field) == 3:
            after = _plane_values(image, np.minimum(z0 + 1, depth - 1), y0, x0, fy, fx)
            value = value * (_ONE - parts[0]) + after * parts[0]
        residual = value * brightness[0] - (reference[plane] + brightness[1])
        residual[~inside] = 0
        for axis, steer in enumerate(steering[:, plane]):
            product = steer * residual
            after, before = product * below, product * above
            for node, (first, middle, last) in enumerate(spans):
                around = np.concatenate([after[first:middle], before[middle:last]])
                sums[axis, node] += np.add.reduce(around, axis=0)


def _plane_values(image: Array, z: Array, y: Array, x: Array, fy: Array, fx: Array) -> Array:
    """Interpolate planes linearly at pixels y, x and fractions beyond them."""
    after_y, after_x = np.minimum(y + 1, image.shape[1] - 1), np.minimum(x + 1, image.shape[2] - 1)
    top = image[z, y, x] * (_ONE - fx) + image[z, y, after_x] * fx
    bottom = image[z, after_y, x] * (_ONE - fx) + image[z, after_y, after_x] * fx
    found: Array = top * (_ONE - fy) + bottom * fy
    return found


def _spread(field: Array, columns: Array) -> Array:
    """Displacements at the nodes before and after each column; shape (nd, ny, 2, width)."""
    around = np.empty((len(field), field.shape[1], 2, len(columns)), np.float32)
    for axis in range(len(field)):
        for n in range(field.shape[1]):
            line, before, after = field[axis, n], around[axis, n, 0], around[axis, n, 1]
            for x in range(len(columns)):
                before[x] = line[columns[x]]
                after[x] = line[columns[x] + 1]
    return around


def _positioned(
    above: Array, below: Array, fraction: Any, right: Array, whole: Array, part: Array
) -> None:
    """Displacements of a row of pixels, of those at the nodes, split at the whole number."""
    one = np.float32(1)
    rest = one - fraction
    above_left, above_right, below_left, below_right = above[0], above[1], below[0], below[1]
    # A loop for few arrays at a time: of more, none is vectorised.
    for x in range(len(part)):
        left = above_left[x] * rest + below_left[x] * fraction
        part[x] = left * (one - right[x])
    for x in range(len(part)):
        part[x] += (above_right[x] * rest + below_right[x] * fraction) * right[x]
    for x in range(len(part)):
        floor = np.floor(part[x])
        whole[x] = np.int32(floor)
        part[x] -= floor


def _placed(whole: Array, part: Array, length: int, inside: Array) -> None:
    """Clear `inside` where positions are beyond an axis; move the last pixel to the one before."""
    one, zero, last = np.float32(1), np.float32(0), np.int32(length - 1)
    for x in range(len(whole)):
        beyond = whole[x] + np.int32(part[x] > zero) > last
        inside[x] = zero if whole[x] < 0 or beyond else inside[x]
    for x in range(len(whole)):
        part[x] = one if whole[x] == last else part[x]
        whole[x] = min(max(whole[x], np.int32(0)), last - np.int32(1))


def _interpolated(
    pixels: Array, width: int, place: Array, fy: Array, fx: Array, out: Array
) -> None:
    """Interpolate linearly between pixels at `place`, those after them and in the row below."""
    one, stop = np.float32(1), 0
    while stop < len(out):  # pixels that are displaced by the same whole pixels
        start, offset = stop, place[stop] - stop
        while stop < len(out) and place[stop] - stop == offset:
            stop += 1
        above, below = pixels[place[start] :], pixels[place[start] + width :]
        gy, gx, target = fy[start:stop], fx[start:stop], out[start:stop]
        for x in range(stop - start):
            rest = one - gx[x]
            top = above[x] * rest + above[x + 1] * gx[x]
            bottom = below[x] * rest + below[x + 1] * gx[x]
            target[x] = top * (one - gy[x]) + bottom * gy[x]


def _add(steer: Array, residual: Array, weight: Any, total: Array) -> None:
    """Add the product of a row."""
    for x in range(len(total)):
        total[x] += steer[x] * residual[x] * weight


@jit(plain=_steered_plain, helpers=[_spread, _positioned, _placed, _interpolated, _add])
def steered_sums(
    image: Array,
    reference: Array,
    steering: Array,
    field: Array,
    rows: Array,
    row_weights: Array,
    columns: Array,
    column_weights: Array,
    brightness: Array,
    sums: Array,
) -> None:
    """Sum products of steering images and the residual of a displaced image, down columns.

    Parameters
    ----------
    image, reference : ndarray of float32, shape (depth, height, width)
        Of depth 1 for an image.
    steering : ndarray of float32, shape (nd, depth, height, width)
    field : ndarray of float32, shape (nd, ny, nx)
        Displacement at the nodes along each axis; the same in all planes. The image is read at
        ``r + u(r)``. Of two axes, along y and x, or three.
    rows, columns : ndarray of int64, shape (height,), (width,)
        Cell of each row and column: the number of the node before it.
    row_weights, column_weights : ndarray of float32
        Position within the cell, from 0 to 1.
    brightness : ndarray of float32, shape (2,)
        Factor of the image, and offset of the reference.
    sums : ndarray of float32, shape (nd, ny, width)
        Written to: for each steering image, the sums over the rows around each row of nodes,
        multiplied with their weights.
    """
    depth, height, width = image.shape
    axes, one, zero = len(field), np.float32(1), np.float32(0)
    scale, offset = brightness[0], brightness[1]
    pixels, step = image.ravel(), height * width
    nodes = _spread(field, columns)
    # Along z, y and x; an image stays in its plane.
    whole, part = np.zeros((3, width), np.int32), np.zeros((3, width), np.float32)
    residual, further = np.empty(width, np.float32), np.empty(width, np.float32)
    inside, place = np.empty(width, np.float32), np.empty(width, np.int64)
    plane_sums = np.empty(sums.shape, np.float32)
    sums[:] = 0
    for z in range(depth):
        plane_sums[:] = 0
        for y in range(height):
            row, below = rows[y], row_weights[y]
            inside[:] = one
            for axis in range(axes):
                above, under, at = nodes[axis, row], nodes[axis, row + 1], 3 - axes + axis
                _positioned(above, under, below, column_weights, whole[at], part[at])
            for x in range(width):
                whole[1, x] += np.int32(y)
            for x in range(width):
                whole[2, x] += np.int32(x)
            _placed(whole[1], part[1], height, inside)
            _placed(whole[2], part[2], width, inside)
            if axes == 3:
                for x in range(width):
                    whole[0, x] += np.int32(z)
                if depth > 1:
                    _placed(whole[0], part[0], depth, inside)
                else:  # there is no plane before the last
                    for x in range(width):
                        alone = whole[0, x] == 0 and part[0, x] == zero
                        inside[x] = inside[x] if alone else zero
                        whole[0, x] = 0
            else:
                whole[0] = z
            for x in range(width):
                place[x] = whole[0, x] * step + whole[1, x] * width + whole[2, x]
            _interpolated(pixels, width, place, part[1], part[2], residual)
            if axes == 3 and depth > 1:
                _interpolated(pixels[step:], width, place, part[1], part[2], further)
                fz = part[0]
                for x in range(width):
                    residual[x] = residual[x] * (one - fz[x]) + further[x] * fz[x]
            expected = reference[z, y]
            for x in range(width):
                value = residual[x] * scale - (expected[x] + offset)
                residual[x] = value if inside[x] > zero else zero
            for axis in range(axes):
                steer = steering[axis, z, y]
                _add(steer, residual, one - below, plane_sums[axis, row])
                _add(steer, residual, below, plane_sums[axis, row + 1])
        sums += plane_sums
