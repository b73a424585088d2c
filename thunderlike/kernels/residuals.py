"""Residuals of displaced images, multiplied with steering images and summed along columns.

This is the inner loop of the estimation of motion, for images of two axes and volumes of three.
The compiled and the numpy form give the same bits: products are in single precision, sums run down
the columns in double precision, in the order of ``numpy.add.reduce`` over the first axis.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
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
    whole, parts = [], []
    for nodes in field:
        lines = nodes[rows] * (_ONE - below) + nodes[rows + 1] * below
        moved = lines[:, columns] * (_ONE - right) + lines[:, columns + 1] * right
        floor = np.floor(moved)
        parts.append(moved - floor)
        whole.append(floor.astype(np.int64))
    y, x = whole[-2] + np.arange(height)[:, np.newaxis], whole[-1] + np.arange(width)
    fy, fx = parts[-2:]
    within = (y >= 0) & (x >= 0) & (y + (fy > 0) < height) & (x + (fx > 0) < width)
    starts = np.searchsorted(rows, np.arange(sums.shape[2] + 1))
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
            for side, weight in enumerate((_ONE - below, below)):
                weighted = (product * weight).astype(np.float64)
                for cell, (start, stop) in enumerate(itertools.pairwise(starts)):
                    sums[side, axis, cell] += np.add.reduce(weighted[start:stop], axis=0)


def _plane_values(image: Array, z: Array, y: Array, x: Array, fy: Array, fx: Array) -> Array:
    """Interpolate planes linearly at pixels y, x and fractions beyond them."""
    after_y, after_x = np.minimum(y + 1, image.shape[1] - 1), np.minimum(x + 1, image.shape[2] - 1)
    top = image[z, y, x] * (_ONE - fx) + image[z, y, after_x] * fx
    bottom = image[z, after_y, x] * (_ONE - fx) + image[z, after_y, after_x] * fx
    found: Array = top * (_ONE - fy) + bottom * fy
    return found


def _moved(line: Array, columns: Array, right: Array, whole: Array, part: Array) -> None:
    """Split the displacements of a row of pixels, of those at the nodes, at the whole number."""
    one, stop = np.float32(1), 0
    while stop < len(columns):  # one cell after the other
        start, cell = stop, columns[stop]
        while stop < len(columns) and columns[stop] == cell:
            stop += 1
        first, last = line[cell], line[cell + 1]
        for x in range(start, stop):
            moved = first * (one - right[x]) + last * right[x]
            floor = np.floor(moved)
            whole[x] = np.int32(floor)
            part[x] = moved - floor


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
    one = np.float32(1)
    # Unsigned places, so that no index counts from the end.
    after, below, last = pixels[1:], pixels[width:], pixels[width + 1 :]
    for x in range(len(out)):
        p, gx = place[x], one - fx[x]
        top = pixels[p] * gx + after[p] * fx[x]
        bottom = below[p] * gx + last[p] * fx[x]
        out[x] = top * (one - fy[x]) + bottom * fy[x]


@jit(plain=_steered_plain, helpers=[_moved, _placed, _interpolated])
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
    sums : ndarray of float64, shape (2, nd, ny - 1, width)
        Written to: sums for the node before and after, for each steering image and row of cells.
    """
    depth, height, width = image.shape
    axes, one, zero = len(field), np.float32(1), np.float32(0)
    scale, offset = brightness[0], brightness[1]
    pixels, step = image.ravel(), height * width
    line = np.empty(field.shape[2], np.float32)
    # Along z, y and x; an image stays in its plane.
    whole, part = np.zeros((3, width), np.int32), np.zeros((3, width), np.float32)
    residual, further = np.empty(width, np.float32), np.empty(width, np.float32)
    inside, place = np.empty(width, np.float32), np.empty(width, np.uint32)
    plane_sums = np.empty(sums.shape)
    sums[:] = 0
    # A loop a step: those of few arrays are vectorised, but for loads at any place.
    for z in range(depth):
        plane_sums[:] = 0
        for y in range(height):
            row, below = rows[y], row_weights[y]
            above = one - below
            inside[:] = one
            for axis in range(axes):
                for n in range(len(line)):
                    line[n] = field[axis, row, n] * above + field[axis, row + 1, n] * below
                at = 3 - axes + axis
                _moved(line, columns, column_weights, whole[at], part[at])
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
                for x in range(width):
                    start = whole[0, x] * np.int32(step)
                    place[x] = np.uint32(start + whole[1, x] * np.int32(width) + whole[2, x])
            else:
                start = z * step
                for x in range(width):
                    place[x] = np.uint32(start + whole[1, x] * np.int32(width) + whole[2, x])
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
                before, behind = plane_sums[0, axis, row], plane_sums[1, axis, row]
                for x in range(width):
                    product = steer[x] * residual[x]
                    before[x] += np.float64(product * above)
                    behind[x] += np.float64(product * below)
        sums += plane_sums
