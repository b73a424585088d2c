"""Residuals of displaced images, multiplied with steering images and summed along columns.

This is the inner loop of the estimation of displacement fields. The compiled and the numpy form
give the same bits: products are in single precision, sums run down the columns of a row of cells in
double precision, in the order of ``numpy.add.reduce`` over the first axis.
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


def _plane_plain(
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
    height, width = image.shape
    below, right = row_weights[:, np.newaxis], column_weights[np.newaxis]
    whole, parts = [], []
    for nodes in field:
        lines = nodes[rows] * (_ONE - below) + nodes[rows + 1] * below
        moved = lines[:, columns] * (_ONE - right) + lines[:, columns + 1] * right
        floor = np.floor(moved)
        parts.append(moved - floor)
        whole.append(floor.astype(np.int64))
    y, x = whole[0] + np.arange(height)[:, np.newaxis], whole[1] + np.arange(width)
    fy, fx = parts
    inside = (y >= 0) & (x >= 0)
    inside &= (y + (fy > 0) < height) & (x + (fx > 0) < width)
    y0, x0 = np.where(inside, y, 0), np.where(inside, x, 0)
    y1, x1 = np.minimum(y0 + 1, height - 1), np.minimum(x0 + 1, width - 1)
    top = image[y0, x0] * (_ONE - fx) + image[y0, x1] * fx
    bottom = image[y1, x0] * (_ONE - fx) + image[y1, x1] * fx
    value = top * (_ONE - fy) + bottom * fy
    residual = value * brightness[0] - (reference + brightness[1])
    residual[~inside] = 0
    starts = np.searchsorted(rows, np.arange(sums.shape[2] + 1))
    for axis, steer in enumerate(steering):
        product = steer * residual
        for side, weight in enumerate((_ONE - below, below)):
            weighted = (product * weight).astype(np.float64)
            for cell, (start, stop) in enumerate(itertools.pairwise(starts)):
                sums[side, axis, cell] = np.add.reduce(weighted[start:stop], axis=0)


@jit(plain=_plane_plain)
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
    image, reference : ndarray of float32, shape (height, width)
    steering : ndarray of float32, shape (2, height, width)
    field : ndarray of float32, shape (2, ny, nx)
        Displacement at the nodes: along y, along x. The image is read at ``r + u(r)``.
    rows, columns : ndarray of int64, shape (height,), (width,)
        Cell of each row and column: the number of the node before it.
    row_weights, column_weights : ndarray of float32
        Position within the cell, from 0 to 1.
    brightness : ndarray of float32, shape (2,)
        Factor of the image, and offset of the reference.
    sums : ndarray of float64, shape (2, 2, ny - 1, width)
        Written to: sums for the node before and after, for each steering image and row of cells.
    """
    height, width = image.shape
    nodes = field.shape[2]
    one, zero = np.float32(1), np.float32(0)
    scale, offset = brightness[0], brightness[1]
    pixels = image.ravel()
    line_y, line_x = np.empty(nodes, np.float32), np.empty(nodes, np.float32)
    moved_y, moved_x = np.empty(width, np.float32), np.empty(width, np.float32)
    residual = np.empty(width, np.float32)
    sums[:] = 0
    # A loop a step: those without branches and gathers are vectorised.
    for y in range(height):
        row, below = rows[y], row_weights[y]
        above = one - below
        for n in range(nodes):
            line_y[n] = field[0, row, n] * above + field[0, row + 1, n] * below
            line_x[n] = field[1, row, n] * above + field[1, row + 1, n] * below
        for x in range(width):
            cell, right = columns[x], column_weights[x]
            left = one - right
            moved_y[x] = line_y[cell] * left + line_y[cell + 1] * right
            moved_x[x] = line_x[cell] * left + line_x[cell + 1] * right
        for x in range(width):
            floor_y, floor_x = np.floor(moved_y[x]), np.floor(moved_x[x])
            fy, fx = moved_y[x] - floor_y, moved_x[x] - floor_x
            y0, x0 = y + np.int32(floor_y), x + np.int32(floor_x)
            y1, x1 = y0 + np.int32(fy > zero), x0 + np.int32(fx > zero)
            if y0 >= 0 and x0 >= 0 and y1 < height and x1 < width:
                # Unsigned, so that no index counts from the end.
                first, second = np.uint32(y0 * width + x0), np.uint32(y1 * width + x0)
                step = np.uint32(x1 - x0)
                gy, gx = one - fy, one - fx
                top = pixels[first] * gx + pixels[first + step] * fx
                bottom = pixels[second] * gx + pixels[second + step] * fx
                value = top * gy + bottom * fy
                residual[x] = value * scale - (reference[y, x] + offset)
            else:
                residual[x] = zero
        for axis in range(2):
            steer, before, after = steering[axis, y], sums[0, axis, row], sums[1, axis, row]
            for x in range(width):
                product = steer[x] * residual[x]
                before[x] += np.float64(product * above)
                after[x] += np.float64(product * below)
