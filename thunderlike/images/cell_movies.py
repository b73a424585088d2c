"""Movies of active cells with known footprints, spikes and neuropil, to test cell detection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.engines import Spec, engine_for
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import SpecError
from thunderlike.images.moving_cells import rigid_walk
from thunderlike.kernels._validation import checked_arguments, is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_array

    from thunderlike._typing import Array, Shape
    from thunderlike.data.images import Images

__all__ = ["FAMILIES", "CellMovie", "CellMovieSource", "cell_movie"]

FAMILIES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "high": {"amplitude": 14.0},
        "mid": {},
        "low": {"amplitude": 3.5},
        "weak": {"neuropil": 2.0},
        "dense": {"cells": 120, "spacing": 5.5},
        "256": {"shape": (256, 256), "count": 3000, "cells": 240},
        "noise": {"cells": 0, "neuropil": 0.0},
        "neuropil": {"cells": 0},
    }
)
"""Arguments of :func:`cell_movie` for eight kinds of recordings, from bright cells to none."""

KINDS = ("still", "rigid")
DTYPES = ("uint8", "uint16", "int16", "float32")

_MARGIN = 9  # pixels of the scene around the frame, which motion brings in
_BORDER = 4  # pixels from a centre to the border of the frame
_TRIES = 2000  # of a place for a cell
_DEPTH = 3.0  # pixels along y and x in a step between planes
_EDGE = 0.5  # pixels, of the logistic edge of a footprint
_NUCLEUS, _DIM = 0.55, 0.7  # radius of the dim centre of a doughnut, and its depth, relative
_REST = 0.3  # largest brightness of a cell at rest, relative to the base
_SPREAD = 0.3  # log standard deviation of amplitudes
_RATES = 0.5  # and of rates
_BURST = 0.35  # probability that a spike is followed by another in the same burst
_BURN_IN = 200  # frames before the first
_FIELDS, _PATCHES = 8, 0.6  # of the neuropil, and their log standard deviation in space
_COMMON = 0.6  # correlation of a field with the population
_HIDDEN = 40  # cells whose sum is the activity of a field
_REACH = 3.5  # radii, of the window in which a footprint is drawn
_TAPS = 6  # of the interpolation of frames that move


@dataclass(frozen=True, eq=False)
class CellMovie:
    """A synthetic movie of active cells, and the truth about it.

    The expected photons of a pixel are ``light * (base + sum_k footprint_k * amplitude_k *
    calcium_k + share * neuropil)``, displaced by `shifts`; the movie adds Poisson noise and the
    read noise of the detector.

    Parameters
    ----------
    source : CellMovieSource
        Draws the frames.
    centres : ndarray of float64, shape (K, nd)
        Positions of the cells in pixels, in the frame that does not move.
    radii : ndarray of float64, shape (K,)
        Along y and x, in pixels.
    footprints : csr_array of float64, shape (K, prod(shape))
        Brightness of the pixels of each cell, with maximum 1.
    amplitudes : ndarray of float64, shape (K,)
        Photons that a spike adds to the brightest pixel of a cell.
    spikes : ndarray of int64, shape (K, T)
        Number of spikes in each frame.
    calcium : ndarray of float64, shape (K, T)
        Each spike adds 1 and decays with the time constant `tau`.
    base : ndarray of float64
        Photons of the scene at rest, with a margin around the frame.
    share : ndarray of float64
        Part of the neuropil that pixels show: 1 outside and `coefficient` inside of cells; with the
        margin.
    fields : ndarray of float64, shape (m, ...)
        Patterns of the neuropil, smooth and positive, in photons; with the margin.
    glow : ndarray of float64, shape (T, m)
        Activity of each pattern, of mean 0.
    light : ndarray of float64, shape (T,)
        Brightness that bleaching leaves.
    shifts : ndarray of float64, shape (T, nd)
        Displacement of the content in pixels: ``frame(r + shift) = reference(r)``.

    Examples
    --------
    >>> movie = cell_movie((64, 64), count=50, cells=10)
    >>> movie.images.shape, movie.calcium.shape, movie.masks.shape
    ((50, 64, 64), (10, 50), (10, 64, 64))
    """

    source: CellMovieSource
    centres: Array
    radii: Array
    footprints: csr_array
    amplitudes: Array
    spikes: Array
    calcium: Array
    base: Array
    share: Array
    fields: Array
    glow: Array
    light: Array
    shifts: Array

    @cached_property
    def images(self) -> Array:
        """The movie, of shape ``(T, *shape)``; drawn at first use."""
        movie = self.source.spec.empty()
        self.source.read(0, len(movie), movie)
        return movie

    @cached_property
    def masks(self) -> Array:
        """Pixels of each cell above half of its maximum, holes filled: bool, ``(K, *shape)``."""
        from scipy import ndimage

        dense = self.footprints.toarray().reshape(-1, *self.source.shape)
        filled = [ndimage.binary_fill_holes(footprint > 0.5) for footprint in dense]
        return np.array(filled, bool).reshape(-1, *self.source.shape)

    def toimages(self, engine: object = None) -> Images:
        """The movie on an engine; equal on every engine, drawn where it runs."""
        from thunderlike.data.images import Images

        return Images(engine_for(engine).load(self.source))

    def neuropil(self, number: int) -> Array:
        """Photons of the neuropil in a frame that does not move, relative to its mean."""
        return self._inside(self.share * self._glowing(number))

    def expected(self, number: int) -> Array:
        """Photons that the pixels of a frame receive on average, of shape ``(*shape)``."""
        scene = self.base + self.share * self._glowing(number)
        active = self._scaled.T @ self.calcium[:, number]
        self._inside(scene)[...] += active.reshape(self.source.shape)
        if self.source.kind != "still":
            scene = _displaced(scene, self.shifts[number])
        # Where the texture is dark, the neuropil may fall by more than the light that is there.
        return np.maximum(self._inside(scene), 0) * self.light[number]

    @cached_property
    def _scaled(self) -> csr_array:
        from scipy.sparse import diags_array

        return (diags_array(self.amplitudes) @ self.footprints).tocsr()

    def _glowing(self, number: int) -> Array:
        # Added one by one, in one order: libraries that multiply matrices round differently.
        total = np.zeros(self.base.shape)
        for field, activity in zip(self.fields, self.glow[number], strict=True):
            total += field * activity
        return total

    def _inside(self, scene: Array) -> Array:
        """View of the frame in a scene with its margin."""
        return scene[
            tuple(slice(m, n - m) for m, n in zip(_margins(scene.shape), scene.shape, strict=True))
        ]


@dataclass(frozen=True)
class CellMovieSource(SourceDefaults):
    """Frames of :func:`cell_movie`; frame `t` depends on these arguments and `t` alone.

    Parameters
    ----------
    shape, count, cells, radius, spacing, doughnuts, fs, tau, rise, rate, amplitude, base
        As of :func:`cell_movie`.
    neuropil, scale, coefficient, texture, bleaching, read_noise, offset, kind, seed, dtype
        As of :func:`cell_movie`.

    Examples
    --------
    >>> source = cell_movie((64, 64), count=50, cells=10).source
    >>> frame = source.spec.empty(1)
    >>> source.read(7, 8, out=frame)
    >>> bool((frame[0] == cell_movie((64, 64), count=50, cells=10).images[7]).all())
    True
    """

    shape: Shape
    count: int
    cells: int
    radius: tuple[float, float]
    spacing: float
    doughnuts: float
    fs: float
    tau: float
    rise: float
    rate: float
    amplitude: float
    base: float
    neuropil: float
    scale: float
    coefficient: float
    texture: float
    bleaching: float
    read_noise: float
    offset: float
    kind: str
    seed: int
    dtype: str

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the frames."""
        return Spec(self.count, self.shape, np.dtype(self.dtype))

    def read(self, start: int, stop: int, out: Array) -> None:
        """Detect the photons of each frame with a generator of its own."""
        movie = _movie(self)
        for row, number in enumerate(range(start, stop)):
            rng = np.random.default_rng([self.seed, number])
            values = rng.poisson(movie.expected(number)) + self.offset
            values += self.read_noise * rng.standard_normal(self.shape)
            if out.dtype.kind in "iu":
                limits = np.iinfo(out.dtype)
                values = np.rint(values).clip(limits.min, limits.max)
            out[row] = values


@checked_arguments
def cell_movie(
    shape: Shape = (128, 128),
    count: int = 1500,
    cells: int = 60,
    radius: tuple[float, float] = (4.5, 6.5),
    spacing: float = 7.0,
    doughnuts: float = 0.5,
    fs: float = 15.0,
    tau: float = 0.7,
    rise: float = 0.0,
    rate: float = 0.25,
    amplitude: float = 7.0,
    base: float = 50.0,
    neuropil: float = 6.0,
    scale: float = 18.0,
    coefficient: float = 0.7,
    texture: float = 0.0,
    bleaching: float = 0.2,
    read_noise: float = 2.0,
    offset: float = 0.0,
    kind: str = "still",
    seed: int = 0,
    dtype: str = "uint16",
) -> CellMovie:
    """Make up a movie of active cells in neuropil, with known footprints, calcium and spikes.

    Cells are ellipses with soft edges, some of them dim in the middle, which may overlap. Spikes
    come in bursts; calcium starts 200 frames before the first frame. Neuropil is a sum of smooth
    patterns, whose activity resembles that of cells and follows in part their mean.

    Parameters
    ----------
    shape : tuple of int
        Of a frame, ``(y, x)``, or a volume, ``(z, y, x)``, whose planes are 3 pixels apart.
    count : int
        Number of frames.
    cells : int
        Number of cells.
    radius : tuple of float
        Smallest and largest radius along y and x, in pixels.
    spacing : float
        Smallest distance of two centres, in pixels along y and x.
    doughnuts : float
        Share of cells with a dim centre.
    fs : float
        Frames per second.
    tau, rise : float
        Time constants of the decay and of the rise of calcium, in seconds; without a rise, a spike
        shows at once.
    rate : float
        Median number of spikes per second; the log standard deviation among cells is 0.5. A third
        of the spikes follow another in a burst, in the same frame.
    amplitude : float
        Median of the photons that a spike adds to the brightest pixel of a cell; the log standard
        deviation among cells is 0.3.
    base : float
        Photons of the scene at rest, without its cells.
    neuropil : float
        Standard deviation in time of the neuropil in photons, outside of cells.
    scale : float
        Standard deviation of the blur that makes patterns of neuropil, in pixels.
    coefficient : float
        Share of the neuropil inside of cells.
    texture : float
        Log standard deviation of the static texture of the base, which motion correction needs.
    bleaching : float
        Share of the light that is lost from the first to the last frame.
    read_noise : float
        Standard deviation of the detector, in counts; a photon is one count.
    offset : float
        Counts of the detector in the dark.
    kind : {'still', 'rigid'}
        Motion: 'rigid' drifts by up to 4 pixels, with jitter and jumps, as
        :func:`~thunderlike.images.moving_cells.moving_cells` does.
    seed : int
        Equal seeds give equal movies; cells have the same places in movies that differ in light,
        neuropil, motion and noise only.
    dtype : {'uint8', 'uint16', 'int16', 'float32'}

    Returns
    -------
    CellMovie

    Raises
    ------
    SpecError
        For arguments out of range, and for more cells than fit at this spacing.

    Notes
    -----
    A frame of 128 x 128 pixels takes about 2 ms. ``FAMILIES`` has the arguments of movies from
    bright cells to none: ``cell_movie(**FAMILIES["low"], seed=3)``.

    Examples
    --------
    >>> movie = cell_movie((64, 64), count=100, cells=12, seed=1)
    >>> movie.images.dtype, movie.footprints.shape, int(movie.spikes.sum() > 0)
    (dtype('uint16'), (12, 4096), 1)
    >>> cell_movie(**FAMILIES["noise"]).masks.shape
    (0, 128, 128)
    """
    sides = tuple(shape)
    if len(sides) not in (2, 3) or not all(is_whole(n, 1) for n in sides) or min(sides[-2:]) < 16:
        raise SpecError(
            f"shape {shape!r} must be (y, x) or (z, y, x) with at least 16 pixels along y and x"
        )
    if kind not in KINDS or dtype not in DTYPES:
        raise SpecError(
            f"kind {kind!r} and dtype {dtype!r} must be of {', '.join(KINDS)} and "
            f"of {', '.join(DTYPES)}"
        )
    low, high = radius
    ranges = {
        "count": (count, 1, math.inf),
        "cells": (cells, 0, math.inf),
        "radius": (low, 1, high),
        "spacing": (spacing, 0, math.inf),
        "doughnuts": (doughnuts, 0, 1),
        "rise": (rise, 0, math.inf),
        "rate": (rate, 0, math.inf),
        "amplitude": (amplitude, 0, math.inf),
        "neuropil": (neuropil, 0, base / 4),
        "scale": (scale, 1, math.inf),
        "coefficient": (coefficient, 0, 1),
        "texture": (texture, 0, 1),
        "bleaching": (bleaching, 0, 0.99),
        "read_noise": (read_noise, 0, math.inf),
        "seed": (seed, 0, math.inf),
    }
    for name, (value, least, most) in ranges.items():
        if not least <= value <= most:
            raise SpecError(f"{name}={value} must be from {least:g} to {most:g}")
    if not (fs > 0 and tau > 0):
        raise SpecError(f"fs={fs} and tau={tau} must be above 0")
    numbers = tuple(int(n) for n in sides)
    return _movie(
        CellMovieSource(
            numbers,
            count,
            cells,
            (float(low), float(high)),
            spacing,
            doughnuts,
            fs,
            tau,
            rise,
            rate,
            amplitude,
            base,
            neuropil,
            scale,
            coefficient,
            texture,
            bleaching,
            read_noise,
            offset,
            kind,
            seed,
            dtype,
        )
    )


@lru_cache(maxsize=4)
def _movie(source: CellMovieSource) -> CellMovie:
    """Draw the scene; a generator for each part, so that families of a seed share their cells."""
    places, cells, activity, patterns, ground, motion = np.random.default_rng(source.seed).spawn(6)
    centres = _centres(places, source)
    radii, footprints = _footprints(cells, centres, source)
    spikes = _spikes(activity, source.cells, source)
    calcium = _calcium(spikes, source)
    fields, glow = _neuropil(patterns, calcium[:, _burn_in(source) :], source)
    shifts = np.zeros((source.count, len(source.shape)))
    if source.kind == "rigid":
        shifts = rigid_walk(motion, source.shape, source.count)
    rest = source.base * np.exp(_texture(ground, _wide(source), source.texture))
    covered = np.zeros(_wide(source))
    inside = tuple(slice(m, m + n) for m, n in zip(_margins(rest.shape), source.shape, strict=True))
    bright = cells.uniform(0, _REST * source.base, source.cells)
    rest[inside] += (footprints.T @ bright).reshape(source.shape)
    covered[inside] = np.minimum(footprints.sum(axis=0), 1).reshape(source.shape)
    return CellMovie(
        source=source,
        centres=centres,
        radii=radii,
        footprints=footprints,
        amplitudes=source.amplitude * cells.lognormal(0, _SPREAD, source.cells),
        spikes=spikes[:, _burn_in(source) :],
        calcium=calcium[:, _burn_in(source) :],
        base=rest,
        share=1 - (1 - source.coefficient) * covered,
        fields=fields,
        glow=glow,
        light=np.exp(np.linspace(0, math.log(1 - source.bleaching), source.count)),
        shifts=shifts,
    )


def _margins(shape: Shape) -> Shape:
    """Pixels of the margin along each axis; none along z."""
    return (*(0,) * (len(shape) - 2), _MARGIN, _MARGIN)


def _wide(source: CellMovieSource) -> Shape:
    margins = _margins(source.shape)
    return tuple(n + 2 * m for n, m in zip(source.shape, margins, strict=True))


def _steps(shape: Shape) -> Array:
    """Pixels along y and x in a step along each axis."""
    return np.array([*(_DEPTH,) * (len(shape) - 2), 1.0, 1.0])


def _centres(rng: np.random.Generator, source: CellMovieSource) -> Array:
    """Throw points at the frame and keep those that are far enough from the others."""
    steps = _steps(source.shape)
    sides = np.array(source.shape) - 1.0
    border = np.where(steps > 1, 0, np.minimum(_BORDER, sides / 2))
    found = np.empty((source.cells, len(steps)))
    count = failures = 0
    while count < source.cells and failures < _TRIES:
        point = rng.uniform(border, sides - border)
        apart = np.square((found[:count] - point) * steps).sum(axis=1)
        if not (apart < source.spacing**2).any():
            found[count] = point
            count, failures = count + 1, 0
        else:
            failures += 1
    if count < source.cells:
        raise SpecError(
            f"{source.cells} cells at a spacing of {source.spacing} pixels do not fit in a frame "
            f"of {source.shape}: {count} did"
        )
    return found


def _footprints(
    rng: np.random.Generator, centres: Array, source: CellMovieSource
) -> tuple[Array, csr_array]:
    """Draw elliptic discs with soft edges, some with a dim centre, in a window of each cell."""
    from scipy.sparse import csr_array

    steps = _steps(source.shape)
    radii = rng.uniform(*source.radius, len(centres))
    hollow = rng.random(len(centres)) < source.doughnuts
    squeezes, angles = rng.uniform(0.87, 1.15, len(centres)), rng.uniform(0, np.pi, len(centres))
    columns, values, ends = [], [], [0]
    for centre, radius, dim, squeeze, angle in zip(
        centres, radii, hollow, squeezes, angles, strict=True
    ):
        reach = _REACH * radius / steps
        window = tuple(
            np.arange(max(0, math.ceil(c - r)), min(n, int(c + r) + 1))
            for c, r, n in zip(centre, reach, source.shape, strict=True)
        )
        *depth, y, x = (
            axis - c for axis, c in zip(np.meshgrid(*window, indexing="ij"), centre, strict=True)
        )
        along, across = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y
        square = (along * squeeze) ** 2 + (across / squeeze) ** 2
        distance = np.sqrt(square + sum((_DEPTH * z) ** 2 for z in depth))
        disc, nucleus = (
            1 / (1 + np.exp((distance - r) / _EDGE)) for r in (radius, _NUCLEUS * radius)
        )
        footprint = disc - dim * _DIM * nucleus
        footprint /= footprint.max()
        shown = footprint > 1e-3
        pixels = np.ravel_multi_index(np.ix_(*window), source.shape)
        columns.append(np.broadcast_to(pixels, footprint.shape)[shown])
        values.append(footprint[shown])
        ends.append(ends[-1] + int(shown.sum()))
    shape = len(centres), math.prod(source.shape)
    if not len(centres):
        return radii, csr_array(shape, dtype=np.float64)
    data = np.concatenate(values), np.concatenate(columns).astype(np.int64), np.array(ends)
    return radii, csr_array(data, shape=shape)


def _burn_in(source: CellMovieSource) -> int:
    """Frames before the first in which calcium reaches its usual level."""
    return max(_BURN_IN, math.ceil(5 * source.tau * source.fs))


def _spikes(rng: np.random.Generator, cells: int, source: CellMovieSource) -> Array:
    """Spikes of each cell and frame, with those of the frames before the first."""
    count = source.count + _burn_in(source)
    rates = (1 - _BURST) * source.rate * rng.lognormal(0, _RATES, cells)
    bursts = rng.poisson(rates[:, np.newaxis] / source.fs, (cells, count))
    return bursts + np.where(bursts > 0, rng.geometric(1 - _BURST, bursts.shape) - 1, 0)


def _calcium(spikes: Array, source: CellMovieSource) -> Array:
    """Decay of each spike; with a rise, the difference of two decays of maximum 1."""
    from scipy import signal

    decay = math.exp(-1 / (source.tau * source.fs))
    values: Array = signal.lfilter([1.0], [1.0, -decay], spikes, axis=1)
    if source.rise:
        rise = math.exp(-1 / (source.rise * source.fs))
        values = values - signal.lfilter([1.0], [1.0, -rise], spikes, axis=1)
        t = np.arange(_burn_in(source))
        values /= max(float((decay**t - rise**t).max()), 1e-9)
    return values


def _neuropil(
    rng: np.random.Generator, calcium: Array, source: CellMovieSource
) -> tuple[Array, Array]:
    """Smooth positive patterns, and an activity of each that follows in part the cells."""
    wide, burn_in = _wide(source), _burn_in(source)
    widths = source.scale / np.array([*(_DEPTH,) * (len(wide) - 2), 1.0, 1.0])
    fields = np.exp(_PATCHES * np.stack([_smooth(rng, wide, widths) for _ in range(_FIELDS)]))
    glow = np.empty((source.count, _FIELDS))
    common = calcium.mean(axis=0) if len(calcium) else np.zeros(source.count)
    if not common.any():
        common = _calcium(_spikes(rng, _HIDDEN, source), source)[:, burn_in:].mean(axis=0)
    for row in glow.T:
        own = _calcium(_spikes(rng, _HIDDEN, source), source)[:, burn_in:].mean(axis=0)
        row[:] = _COMMON * _unit(common) + math.sqrt(1 - _COMMON**2) * _unit(own)
    variance = _COMMON**2 * np.square(fields.sum(axis=0))
    variance += (1 - _COMMON**2) * np.square(fields).sum(axis=0)
    return fields * (source.neuropil / np.sqrt(variance).mean()), glow


def _texture(rng: np.random.Generator, shape: Shape, deviation: float) -> Array:
    """Static texture of three scales, of this standard deviation."""
    if not deviation:
        return np.zeros(shape)
    steps = _steps(shape)
    scales = [_smooth(rng, shape, sigma / steps) for sigma in (1.5, 4.0, 12.0)]
    return _unit(np.sum(scales, axis=0)) * deviation


def _smooth(rng: np.random.Generator, shape: Shape, widths: Array) -> Array:
    """Gaussian noise of variance 1 over the frame, smooth over so many pixels."""
    from scipy import ndimage

    return _unit(ndimage.gaussian_filter(rng.standard_normal(shape), widths, mode="wrap"))


def _unit(values: Array) -> Array:
    """Values of mean 0 and standard deviation 1; zeros if all are equal."""
    deviation = values.std()
    centred: Array = (values - values.mean()) / (deviation if deviation > 0 else 1)
    return centred


def _displaced(scene: Array, shift: Array) -> Array:
    """Displace the content by polynomials of degree 5 through 6 pixels along each axis."""
    for axis, by in enumerate(shift):
        whole = math.floor(-by)
        weights = _lagrange(-by - whole)
        # Pixel i shows position i - by: that is, between the pixels i + whole and i + whole + 1.
        taken = [
            np.take(scene, np.arange(scene.shape[axis]) + whole + tap, axis, mode="clip")
            for tap in range(1 - _TAPS // 2, 1 + _TAPS // 2)
        ]
        scene = np.zeros(scene.shape)
        for weight, values in zip(weights, taken, strict=True):
            scene += weight * values
    return scene


def _lagrange(x: float) -> list[float]:
    """Weights of pixels at -2 .. 3 for the value at `x` from 0 to 1."""
    nodes = range(1 - _TAPS // 2, 1 + _TAPS // 2)
    return [math.prod((x - m) / (n - m) for m in nodes if m != n) for n in nodes]
