"""Operations of images."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .plain import finite, known, need, real


def scipy_filter(rng, plain):
    need(plain.values.size)
    name = str(rng.choice(["gaussian_filter", "uniform_filter", "median_filter"]))
    size = int(rng.integers(1, 5)) if rng.random() < 0.5 else [1 + n % 3 for n in plain.record]
    if name == "median_filter" or plain.dtype.kind in "biu":
        known(plain)
    finite(plain)
    need(plain.dtype.itemsize > 2 or plain.dtype.kind != "f")  # scipy filters no float16
    need(plain.dtype.kind != "c" or name != "median_filter")
    need(plain.scale < 2**53)  # scipy ranks in float64, and sees no difference beyond
    filter = getattr(ndimage, name)
    native = plain.values.astype(plain.dtype.newbyteorder("="))
    values = np.array([filter(image, size) for image in native], native.dtype)
    return lambda x: getattr(x, name)(size), plain.made(values.reshape(plain.shape))


def derived(rng, plain):
    """A Gaussian filter of other orders, and of sigmas along each axis."""
    need(plain.values.size and plain.dtype.kind == "f" and plain.dtype.itemsize > 2)
    finite(plain)
    order = int(rng.integers(0, 3))
    sigma = [float(s) for s in rng.choice([0, 0.7, 1.5], len(plain.record))]
    native = plain.values.astype(plain.dtype.newbyteorder("="))
    values = [ndimage.gaussian_filter(image, sigma, order) for image in native]
    return lambda x: x.gaussian_filter(sigma, order), plain.made(values, grown=4)


def subsampled(rng, plain):
    factor = tuple(int(k) for k in rng.integers(1, 4, len(plain.record)))
    item = (slice(None), *(slice(None, None, k) for k in factor))
    return lambda x: x.subsample(factor), plain.made(plain.values[item])


def projected(rng, plain):
    real(plain)
    naxes = len(plain.record)
    need(naxes in (2, 3) and plain.values.size)
    axis = int(rng.integers(-naxes, naxes))
    along = 1 + axis % naxes
    largest, smallest = plain.values.max(axis=along), plain.values.min(axis=along)
    if rng.random() < 0.5:
        return lambda x: x.max_projection(axis), plain.made(largest)
    wider = {"b1": "u1", "u1": "u2", "i1": "i2", "u2": "u4", "i2": "i4", "i4": "i8", "u4": "u8"}
    dtype = np.dtype(wider.get(plain.dtype.str[1:], plain.dtype.str[1:]))
    made = plain.made(largest.astype(dtype) + smallest.astype(dtype), grown=2)
    return lambda x: x.max_min_projection(axis), made


def toseries(rng, plain):
    need(plain.values.size)
    index = np.arange(len(plain.values)) if plain.labels is None else plain.labels
    chunk = "auto" if rng.random() < 0.5 else 2
    made = plain.made(np.moveaxis(plain.values, 0, -1), kind="series", labels=None, index=index)
    return lambda x: x.toseries(chunk), made


def through_blocks(rng, plain):
    """To blocks, a function of each, and back to images or on to series."""
    need(plain.values.size and plain.scale < 1e6)
    size = int(rng.integers(1, 5))
    padding = int(rng.integers(0, min(size, *plain.record) + 1))
    halve, on = rng.random() < 0.5, rng.random() < 0.5
    values = plain.values / 2 if halve else plain.values
    made = plain.made(values, labels=None)
    if on:
        moved = np.moveaxis(values, 0, -1)
        made = plain.made(moved, kind="series", labels=None, index=np.arange(len(values)))

    def call(x):
        blocks = x.toblocks(size, padding)
        blocks = blocks.map(lambda block: block / 2) if halve else blocks
        return blocks.toseries() if on else blocks.toimages()

    return call, made


def mapped_as_series(rng, plain):
    need(plain.values.size)
    values = plain.values[::-1]
    return lambda x: x.map_as_series(lambda v: v[::-1]), plain.made(values)


ALL = [scipy_filter, scipy_filter, derived, subsampled, projected, toseries, toseries]
ALL += [through_blocks, mapped_as_series]
