"""Movies of cells that move by known shifts and fields, to test and compare motion correction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from thunderlike.engines import Spec, engine_for
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import SpecError
from thunderlike.kernels._validation import checked_arguments, is_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from thunderlike._typing import Array, Shape
    from thunderlike.data.images import Images

__all__ = [
    "Motion",
    "MovingCells",
    "MovingCellsSource",
    "Patterns",
    "Scene",
    "moving_cells",
    "rigid_walk",
]

KINDS = ("rigid", "smooth", "rough", "bumps", "still")
DTYPES = ("uint16", "int16", "float32")

_MARGIN, _MARGIN_Z = 32, 8  # pixels of the scene around the frame, which motion brings in
_SPACING = 8  # pixels between the nodes of the fields
_PIXELS_PER_CELL, _PLANES_PER_CELL = 450, 4
_ORDER, _ORDER_3D = 5, 3  # of the splines that draw a frame
_ROUNDS = 12  # of the fixed point x = z - u(x): fields have a slope below 0.35
_PER_PHOTON, _OFFSET, _READ_NOISE = 20, 100, 10  # of the detector, in counts
_RATES, _SHARES = (0.002, 0.01, 0.03), (0.5, 0.35, 0.15)  # events a frame, and of how many cells
_DECAY, _BRIGHTEST, _FADE = 12, 8, 0.83  # frames; a cell, and what bleaching leaves, relative


@dataclass(frozen=True, eq=False)
class MovingCells:
    """A synthetic movie of moving cells, and the truth about its motion.

    The displacement `u` of the content follows ``frame(r + u(r)) = reference(r)``: a scene that
    moved down by 2 pixels has the shift ``(2, 0)``. `u` is a function of positions in the
    reference, and a sum of the rigid shift and a field.

    Parameters
    ----------
    source : MovingCellsSource
        Draws the frames.
    shifts : ndarray of float64, shape (T, nd)
        Mean of the displacement over the frame, in pixels along each axis.
    fields : ndarray of float64, shape (T, nd, ...)
        Displacement at the nodes, in pixels.
    nodes : tuple of ndarray
        Positions of the nodes along each axis: every 8 pixels. Volumes have one along z, as their
        fields are constant along it.
    reference : ndarray of float64, of the shape of a frame
        Brightness of the scene that does not move, all cells at rest, of mean 1; without noise.
    scene : Scene
        Splines of the scene and of its cells.
    motion : Motion
        Displacement at any position.
    light : ndarray, shape (T,)
        Gain of each frame, with the bleaching.

    Examples
    --------
    >>> movie = moving_cells((64, 64), count=10, kind="smooth")
    >>> movie.images.shape, movie.shifts.shape, movie.fields.shape
    ((10, 64, 64), (10, 2), (10, 2, 8, 8))
    """

    source: MovingCellsSource
    shifts: Array
    fields: Array
    nodes: tuple[Array, ...]
    reference: Array
    scene: Scene
    motion: Motion
    light: Array

    @cached_property
    def images(self) -> Array:
        """The movie, of shape ``(T, *shape)``; drawn at first use."""
        movie = self.source.spec.empty()
        self.source.read(0, len(movie), movie)
        return movie

    def toimages(self, engine: object = None) -> Images:
        """The movie on an engine; equal on every engine, drawn where it runs."""
        from thunderlike.data.images import Images

        return Images(engine_for(engine).load(self.source))

    def expected(self, number: int) -> Array:
        """Photons that the pixels of a frame receive on average, of shape ``(*shape)``."""
        brightness = self.scene.at(self.motion.pulled(number), number)
        return brightness * (self.light[number] * self.source.photons)


@dataclass(frozen=True)
class MovingCellsSource(SourceDefaults):
    """Frames of :func:`moving_cells`; frame `t` depends on these arguments and `t` alone.

    Parameters
    ----------
    shape : tuple of int
    count : int
    photons : float
    kind : str
    seed : int
    dtype : str

    Examples
    --------
    >>> source = MovingCellsSource((64, 64), 10, 5.0, "rigid", 0, "uint16")
    >>> frame = source.spec.empty(1)
    >>> source.read(7, 8, out=frame)
    >>> bool((frame[0] == moving_cells((64, 64), 10).images[7]).all())
    True
    """

    shape: Shape
    count: int
    photons: float
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
            counts = _PER_PHOTON * rng.poisson(movie.expected(number)) + _OFFSET
            values = counts + rng.normal(0, _READ_NOISE, self.shape)
            if out.dtype.kind in "iu":
                limits = np.iinfo(out.dtype)
                values = np.rint(values).clip(limits.min, limits.max)
            out[row] = values


@checked_arguments
def moving_cells(
    shape: Shape = (256, 256),
    count: int = 60,
    photons: float = 5.0,
    kind: str = "rigid",
    seed: int = 0,
    dtype: DTypeLike = "uint16",
) -> MovingCells:
    """Make up a movie of cells, neuropil and vessels with known motion.

    Cells are rings of 4 to 7 pixels radius, most with a brightness of their own, and events that
    decay in 12 frames. The gain drifts by 20 %, the dye bleaches to 83 %. A detected photon adds
    20 counts to an offset of 100, the detector normal noise of 10.

    Parameters
    ----------
    shape : tuple of int
        Of a frame, ``(y, x)``, or a volume, ``(z, y, x)``; y and x of at least 32 pixels.
    count : int
        Number of frames.
    photons : float
        Mean of a pixel and frame: 5 in a usual two-photon recording, 0.2 in a very dark one.
    kind : {'rigid', 'smooth', 'rough', 'bumps', 'still'}
        All but 'still' drift by up to 4 pixels, with bouts of jitter and jumps of up to 6 pixels.
        In addition, 'smooth' has cosine fields of up to 2 half periods an axis, of 0.7 pixels rms;
        'rough' of up to 4, of 1.4 pixels; 'bumps' localised bumps and shears of 1 pixel. Frames
        below 128 pixels move less.
    seed : int
        Equal seeds give equal movies; those of another kind or dtype show the same scene.
    dtype : {'uint16', 'int16', 'float32'}

    Returns
    -------
    MovingCells

    Raises
    ------
    SpecError
        For another shape, kind or dtype, and for numbers out of range.

    Notes
    -----
    A frame is drawn by splines of order 5 (volumes: 3) at positions where ``x + u(x)`` is the
    pixel, found by a fixed point on a grid of 8 pixels: about 0.05 s for 256 x 256 pixels.

    Examples
    --------
    >>> movie = moving_cells((64, 64), count=10, seed=1)
    >>> movie.images.dtype, movie.images.shape
    (dtype('uint16'), (10, 64, 64))
    >>> bool(abs(movie.shifts).max() < 6.4)
    True
    """
    sides = tuple(shape)
    dtype = np.dtype(dtype)
    if len(sides) not in (2, 3) or not all(is_whole(n, 1) for n in sides) or min(sides[-2:]) < 32:
        raise SpecError(
            f"shape {shape!r} must be (y, x) or (z, y, x) with at least 32 pixels along y and x"
        )
    if count < 1 or seed < 0 or not 0 < photons < math.inf:
        raise SpecError(
            f"count {count}, photons {photons} and seed {seed} must be at least 1, above 0 and "
            "at least 0"
        )
    if kind not in KINDS or dtype.name not in DTYPES:
        raise SpecError(
            f"kind {kind!r} and dtype {dtype.name} must be of {', '.join(KINDS)} and "
            f"of {', '.join(DTYPES)}"
        )
    numbers = tuple(int(n) for n in sides)
    return _movie(MovingCellsSource(numbers, count, float(photons), kind, seed, dtype.name))


@lru_cache(maxsize=4)
def _movie(source: MovingCellsSource) -> MovingCells:
    """Draw the scene and the motion; two generators, so that each seed has one scene."""
    for_scene, for_motion = np.random.default_rng(source.seed).spawn(2)
    scene = _scene(for_scene, source.shape, source.count)
    motion = _motion(for_motion, source.shape, source.count, source.kind)
    pixels = tuple(np.arange(n, dtype=float) for n in source.shape)
    nodes = (*(np.zeros(1) for _ in source.shape[:-2]), *(axis[::_SPACING] for axis in pixels[-2:]))
    within = motion.weights @ motion.patterns(*np.meshgrid(*pixels[-2:], indexing="ij")).mean(
        axis=(-2, -1)
    )
    light = np.linspace(1, _FADE, source.count)
    light *= 1 + 0.2 * np.tanh(_smooth(for_scene, (source.count,), 10))
    return MovingCells(
        source=source,
        shifts=motion.rigid + within,
        fields=np.stack([motion.at(t, nodes) for t in range(source.count)]),
        nodes=nodes,
        reference=scene.at(np.stack(np.meshgrid(*pixels, indexing="ij"))),
        scene=scene,
        motion=motion,
        light=light,
    )


class Patterns(Protocol):
    """Displacement patterns: from positions y and x to an array of shape ``(m, *y.shape)``."""

    def __call__(self, y: Array, x: Array, /) -> Array:
        """Evaluate all patterns."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacement of the content as a function of the position in the reference.

    Parameters
    ----------
    shape : tuple of int
        Of a frame.
    rigid : ndarray, shape (T, nd)
    weights : ndarray, shape (T, nd, m)
        Of each pattern along each axis.
    patterns : Patterns
        Of the last two axes.
    """

    shape: Shape
    rigid: Array
    weights: Array
    patterns: Patterns

    def at(self, number: int, axes: Sequence[Array]) -> Array:
        """Displacement on the grid of these axes, of shape ``(nd, *grid)``."""
        y, x = np.meshgrid(*axes[-2:], indexing="ij")
        planes = (1,) * (len(axes) - 2)
        within = self._displacement(number, y, x).reshape(-1, *planes, *y.shape)
        return np.broadcast_to(within, (len(axes), *map(len, axes)))

    def pulled(self, number: int) -> Array:
        """Positions in the reference that the pixels of a frame show, shape ``(nd, *shape)``."""
        full = np.stack(np.meshgrid(*map(np.arange, self.shape), indexing="ij")).astype(float)
        lead = (slice(None), *(np.newaxis,) * (len(self.shape) - 2))
        if not self.weights.shape[-1]:
            return full - self.rigid[number].reshape(-1, *(1,) * len(self.shape))
        grids, (rows, columns) = zip(*map(_upsampling, self.shape[-2:]), strict=True)
        z = np.stack(np.meshgrid(*grids, indexing="ij"))
        back = np.zeros((len(self.shape), *z.shape[1:]))
        for _ in range(_ROUNDS):
            back = self._displacement(number, *(z - back[-2:]))
        # einsum adds in one order, whatever library multiplies matrices on a worker.
        fine = np.einsum("yi,aix->ayx", rows, np.einsum("xj,aij->aix", columns, back))
        return full - fine[lead]

    def _displacement(self, number: int, y: Array, x: Array) -> Array:
        within = np.einsum("am,mij->aij", self.weights[number], self.patterns(y, x))
        return within + self.rigid[number][:, np.newaxis, np.newaxis]


@lru_cache(maxsize=8)
def _upsampling(length: int) -> tuple[Array, Array]:
    """A grid of 8 pixels that covers an axis, and the cubic spline from it to the pixels."""
    from scipy.interpolate import make_interp_spline

    grid = np.arange(0, length + _SPACING - 1, _SPACING, dtype=float)
    return grid, make_interp_spline(grid, np.eye(len(grid)), k=3)(np.arange(length))


def _motion(rng: np.random.Generator, shape: Shape, count: int, kind: str) -> Motion:
    """Draw a rigid motion and the patterns of the fields of this kind."""
    rigid = np.zeros((count, len(shape))) if kind == "still" else rigid_walk(rng, shape, count)
    if kind in ("smooth", "rough"):
        highest, rms = (2, 0.7) if kind == "smooth" else (4, 1.4)
        patterns: Patterns = _Cosines(shape[-2:], highest)
    elif kind == "bumps":
        patterns, rms = _Bumps.drawn(rng, shape[-2:]), 1.0
    else:
        return Motion(shape, rigid, np.zeros((count, len(shape), 0)), _Cosines(shape[-2:], 0))
    pixels = np.meshgrid(*map(np.arange, shape[-2:]), indexing="ij")
    size = np.square(patterns(*pixels)).sum(axis=0).mean() ** 0.5
    weights = np.zeros((count, len(shape), len(patterns(*pixels))))
    slow = [_smooth(rng, weights[:, -2:].shape, sigma) for sigma in (1.5, 4, 30)]
    within = min(1, min(shape[-2:]) / 128)  # small frames bend less, so that no field folds
    weights[:, -2:] = sum(slow) * (within * rms / (3**0.5 * size))
    return Motion(shape, rigid, weights, patterns)


def rigid_walk(rng: np.random.Generator, shape: Shape, count: int) -> Array:
    """Draw drift, bouts of jitter and short jumps, in pixels of each axis; shape (T, nd)."""
    # Small frames move less: within the tenth of a side that motion correction searches.
    reach = np.array([*(n / 12 for n in shape[:-2]), *(min(4, n / 32) for n in shape[-2:])])
    drift = _smooth(rng, (count, len(shape)), 2).cumsum(axis=0)
    drift -= (drift.max(axis=0) + drift.min(axis=0)) / 2
    drift /= np.maximum(np.abs(drift).max(axis=0), 1e-9)
    bouts = np.maximum(_smooth(rng, (count, 1), 8), 0)
    jitter = 0.3 * bouts * _smooth(rng, (count, len(shape)), 0.8)
    jumps = np.zeros((count, len(shape)))
    for start in np.flatnonzero(rng.random(count) < 0.01):
        jumps[start : start + rng.integers(1, 5)] = rng.uniform(-1.5, 1.5, len(shape))
    return (drift + np.clip(jitter, -0.6, 0.6) + np.clip(jumps, -1.4 - drift, 1.4 - drift)) * reach


@dataclass(frozen=True)
class _Cosines:
    """Products of cosines of up to `highest` half periods along each axis, without the mean."""

    shape: Shape
    highest: int

    def __call__(self, y: Array, x: Array) -> Array:
        waves = range(self.highest + 1)
        down, across = (
            np.stack([np.cos(np.pi * k * (r + 0.5) / n) for k in waves])
            for r, n in zip((y, x), self.shape, strict=True)
        )
        products: Array = down[:, np.newaxis] * across[np.newaxis]
        return products.reshape(-1, *y.shape)[1:]


@dataclass(frozen=True, eq=False)
class _Bumps:
    """Gaussian bumps, and shears that are steep along a line."""

    centres: Array  # (m, 2)
    widths: Array  # (m,)
    angles: Array  # (shears,)

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> _Bumps:
        bumps, shears = max(3, math.prod(shape) // 6000), 2
        centres = rng.uniform(0, shape, (bumps + shears, 2))
        return cls(
            centres, rng.uniform(14, 28, bumps + shears), rng.choice([0, np.pi / 2, 0.6], shears)
        )

    def __call__(self, y: Array, x: Array) -> Array:
        lead = (slice(None), *(np.newaxis,) * y.ndim)
        down, across = y - self.centres[:, 0][lead], x - self.centres[:, 1][lead]
        width, steep = self.widths[lead], len(self.angles)
        bumps = np.exp(-(down**2 + across**2) / (2 * width**2))[steep:]
        angle = self.angles[lead]
        along = np.sin(angle) * down[:steep] + np.cos(angle) * across[:steep]
        return np.concatenate([0.5 * np.tanh(along / width[:steep]), bumps])


@dataclass(frozen=True, eq=False)
class Scene:
    """Coefficients of the splines of a scene, wider than the frame, and of each of its cells.

    Parameters
    ----------
    margins : tuple of int
        Pixels of the scene before and after the frame, along each axis.
    order : int
        Of the splines.
    rest : ndarray
        All cells at rest; of mean 1 over the frame.
    cells : list of (tuple of slice, ndarray)
        A place in the scene, and what a cell of brightness 1 adds to it.
    activity : ndarray, shape (T, k)
        Brightness of each cell beyond its rest.
    """

    margins: Shape
    order: int
    rest: Array
    cells: list[tuple[tuple[slice, ...], Array]]
    activity: Array

    def at(self, positions: Array, number: int | None = None) -> Array:
        """Brightness at positions of shape ``(nd, ...)``, in a frame, or of cells at rest."""
        from scipy import ndimage

        splines = self.rest
        if number is not None:
            splines = splines.copy()
            for cell in np.flatnonzero(self.activity[number]):
                place, spline = self.cells[cell]
                splines[place] += self.activity[number, cell] * spline
        lead = (slice(None), *(np.newaxis,) * (positions.ndim - 1))
        inside = positions + np.array(self.margins)[lead]
        values: Array = ndimage.map_coordinates(
            splines, inside, order=self.order, mode="nearest", prefilter=False
        )
        return np.maximum(values, 0)


def _scene(rng: np.random.Generator, shape: Shape, count: int) -> Scene:
    """Draw neuropil, vessels and cells."""
    from scipy import ndimage

    margins = (*(_MARGIN_Z,) * (len(shape) - 2), _MARGIN, _MARGIN)
    wide = tuple(n + 2 * margin for n, margin in zip(shape, margins, strict=True))
    order = _ORDER if len(shape) == 2 else _ORDER_3D
    planes = wide[0] / _PLANES_PER_CELL if len(shape) == 3 else 1
    number = max(4, round(planes * math.prod(wide[-2:]) / _PIXELS_PER_CELL))
    base = rng.lognormal(-0.6, 0.7, number) * (rng.random(number) >= 0.25)
    activity = _events(rng, count, number)
    drawn = [_ring(rng, wide) for _ in range(number)]
    rest = _neuropil(rng, wide)
    for brightness, (place, ring) in zip(base, drawn, strict=True):
        rest[place] += brightness * ring
    frame = tuple(slice(m, m + n) for m, n in zip(margins, shape, strict=True))
    scale = 1 / rest[frame].mean()
    cells = [
        (place, ndimage.spline_filter(scale * ring, order, mode="mirror")) for place, ring in drawn
    ]
    splines = ndimage.spline_filter(scale * rest, order, mode="mirror")
    return Scene(margins, order, splines, cells, activity)


def _neuropil(rng: np.random.Generator, shape: Shape) -> Array:
    """Texture of three scales, and dark vessels across it."""
    from scipy import ndimage

    texture = np.ones(shape)
    for share, sigma in ((0.25, 1.6), (0.3, 5), (0.35, 18)):
        widths = (*(min(sigma, 3) for _ in shape[:-2]), sigma, sigma)
        noise = ndimage.gaussian_filter(rng.standard_normal(shape), widths, mode="wrap")
        texture += 0.45 * share * noise / noise.std()
    texture = np.maximum(texture, 0.05)
    vessels = np.zeros(shape[-2:])
    path = np.linspace(0, 1, 4 * max(shape))
    for _ in range(max(1, round(5 * math.prod(shape[-2:]) / 320**2))):
        ends = rng.uniform(0, 1, (2, 2)) * [[0.2, 1], [0.2, 1]] + [[0, 0], [0.8, 0]]
        line = ends[0] + path[:, np.newaxis] * (ends[1] - ends[0])
        line[:, 1] += 0.08 * np.sin(2 * np.pi * (rng.uniform(0.5, 2) * path + rng.random()))
        flat = line[:, :: rng.choice([-1, 1])].clip(0, 1) * (np.array(shape[-2:]) - 1)
        vessels[tuple(np.rint(flat).astype(int).T)] = 1
    width = ndimage.grey_dilation(vessels, (4, 4))
    return texture * (1 - 0.75 * ndimage.gaussian_filter(width, 1.5))


def _ring(rng: np.random.Generator, shape: Shape) -> tuple[tuple[slice, ...], Array]:
    """A cell anywhere: an elliptic disc less an inner one; its place has a border for splines."""
    radius, centre = rng.uniform(4, 7), rng.uniform(0, np.array(shape) - 1)
    squeeze, angle = rng.uniform(0.75, 1.25), rng.uniform(0, np.pi)
    reach = (*(8,) * (len(shape) - 2), 24, 24)
    place = tuple(
        slice(max(0, int(c) - r), min(n, int(c) + r + 1))
        for c, r, n in zip(centre, reach, shape, strict=True)
    )
    *depth, y, x = (axis - c for axis, c in zip(np.mgrid[place], centre, strict=True))
    along, across = np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y
    distance = np.sqrt(
        (along * squeeze) ** 2 + (across / squeeze) ** 2 + sum((3 * z) ** 2 for z in depth)
    )
    outer, inner = (1 / (1 + np.exp((distance - r) / 0.7)) for r in (radius, 0.62 * radius))
    return place, outer - 0.75 * inner


def _events(rng: np.random.Generator, count: int, number: int) -> Array:
    """Brightness of cells by their events, shape (T, k)."""
    before = 4 * _DECAY  # events of frames before the first still glow in it
    rates = rng.choice(_RATES, number, p=_SHARES)
    starts = rng.random((before + count, number)) < rates
    heights = starts * rng.lognormal(0.6, 0.5, starts.shape)
    activity = np.zeros_like(heights)
    for t, height in enumerate(heights):
        activity[t] = height + (activity[t - 1] * math.exp(-1 / _DECAY) if t else 0)
    activity[activity < 0.01] = 0
    return np.minimum(activity[before:], _BRIGHTEST)


def _smooth(rng: np.random.Generator, shape: Shape, sigma: float) -> Array:
    """Noise of unit variance along the first axis, smooth over `sigma` frames."""
    from scipy import ndimage

    border = math.ceil(4 * sigma)
    noise = rng.standard_normal((shape[0] + 2 * border, *shape[1:]))
    impulse = np.zeros(2 * border + 1)
    impulse[border] = 1
    size = np.sqrt(np.square(ndimage.gaussian_filter1d(impulse, sigma)).sum())
    values: Array = ndimage.gaussian_filter1d(noise, sigma, axis=0)[border:-border] / size
    return values
