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

__all__ = ["steered_sums", "steered_volume_sums"]

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


def _volume_plain(
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
    y, x = whole[1] + np.arange(height)[:, np.newaxis], whole[2] + np.arange(width)
    fz, fy, fx = parts
    within = (y >= 0) & (x >= 0) & (y + (fy > 0) < height) & (x + (fx > 0) < width)
    starts = np.searchsorted(rows, np.arange(sums.shape[2] + 1))
    sums[:] = 0
    for plane in range(depth):
        z = whole[0] + plane
        inside = within & (z >= 0) & (z + (fz > 0) < depth)
        z0, y0, x0 = (np.where(inside, axis, 0) for axis in (z, y, x))
        z1, y1, x1 = (
            np.minimum(first + 1, n - 1) for first, n in zip((z0, y0, x0), image.shape, strict=True)
        )
        value = np.zeros((height, width), np.float32)
        for zs, weight in ((z0, _ONE - fz), (z1, fz)):
            top = image[zs, y0, x0] * (_ONE - fx) + image[zs, y0, x1] * fx
            bottom = image[zs, y1, x0] * (_ONE - fx) + image[zs, y1, x1] * fx
            value = value + (top * (_ONE - fy) + bottom * fy) * weight
        residual = value * brightness[0] - (reference[plane] + brightness[1])
        residual[~inside] = 0
        for axis, steer in enumerate(steering[:, plane]):
            product = steer * residual
            for side, weight in enumerate((_ONE - below, below)):
                weighted = (product * weight).astype(np.float64)
                for cell, (start, stop) in enumerate(itertools.pairwise(starts)):
                    sums[side, axis, cell] += np.add.reduce(weighted[start:stop], axis=0)


@jit(plain=_volume_plain)
def steered_volume_sums(
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
    """Sum as `steered_sums` over the planes of volumes, whose field is the same in all planes.

    Images have shape (depth, height, width), fields 3 axes of displacement on the same nodes.
    """
    depth, height, width = image.shape
    nodes = field.shape[2]
    one, zero = np.float32(1), np.float32(0)
    scale, offset = brightness[0], brightness[1]
    lines = np.empty((3, nodes), np.float32)
    moved = np.empty((3, width), np.float32)
    residual = np.empty(width, np.float32)
    plane_sums = np.empty(sums.shape, np.float64)
    sums[:] = 0
    for z in range(depth):
        plane_sums[:] = 0
        for y in range(height):
            row, below = rows[y], row_weights[y]
            above = one - below
            for axis in range(3):
                for n in range(nodes):
                    lines[axis, n] = field[axis, row, n] * above + field[axis, row + 1, n] * below
                for x in range(width):
                    cell, right = columns[x], column_weights[x]
                    left = one - right
                    moved[axis, x] = lines[axis, cell] * left + lines[axis, cell + 1] * right
            for x in range(width):
                floor_z, floor_y = np.floor(moved[0, x]), np.floor(moved[1, x])
                floor_x = np.floor(moved[2, x])
                fz, fy, fx = moved[0, x] - floor_z, moved[1, x] - floor_y, moved[2, x] - floor_x
                z0, y0, x0 = z + np.int32(floor_z), y + np.int32(floor_y), x + np.int32(floor_x)
                z1, y1 = z0 + np.int32(fz > zero), y0 + np.int32(fy > zero)
                x1 = x0 + np.int32(fx > zero)
                residual[x] = zero
                if z0 >= 0 and y0 >= 0 and x0 >= 0 and z1 < depth and y1 < height and x1 < width:
                    gz, gy, gx = one - fz, one - fy, one - fx
                    top = image[z0, y0, x0] * gx + image[z0, y0, x1] * fx
                    bottom = image[z0, y1, x0] * gx + image[z0, y1, x1] * fx
                    value = zero + (top * gy + bottom * fy) * gz
                    top = image[z1, y0, x0] * gx + image[z1, y0, x1] * fx
                    bottom = image[z1, y1, x0] * gx + image[z1, y1, x1] * fx
                    value = value + (top * gy + bottom * fy) * fz
                    residual[x] = value * scale - (reference[z, y, x] + offset)
            for axis in range(3):
                steer = steering[axis, z, y]
                before, after = plane_sums[0, axis, row], plane_sums[1, axis, row]
                for x in range(width):
                    product = steer[x] * residual[x]
                    before[x] += np.float64(product * above)
                    after[x] += np.float64(product * below)
        sums += plane_sums
