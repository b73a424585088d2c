"""Example movies, made here: nothing is downloaded, and the truth about them is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from thunderlike.data.images import Images
from thunderlike.engines import Spec, engine_for
from thunderlike.engines.base import SourceDefaults
from thunderlike.errors import KeyMissingError, SpecError
from thunderlike.images.moving_cells import MovingCells, MovingCellsSource, moving_cells
from thunderlike.kernels._validation import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike._typing import Array

__all__ = [
    "Calcium",
    "CalciumSource",
    "Cells",
    "MovingCells",
    "MovingCellsSource",
    "calcium",
    "fromexample",
    "moving_cells",
]

SHAPE = (128, 128)  # pixels
RATE = 30.0  # images a second
CELLS, FOLLOWERS = 42, 14
FRAMES = 600

_BORDER, _GAP = 9, 2  # pixels from a cell's centre to the border, and between two cells
_RISE, _DECAY = 0.05, 0.3  # seconds: a calcium indicator of the fast kind
_SPIKE = 0.35  # what one spike adds to a cell's fluorescence, relative to its rest
_OFFSET = 100  # what the detector shows in the dark
_DARK, _NEUROPIL, _CELL = 8, 28, 32  # photons in a pixel and image: anywhere, around, in a cell
_FADE = 0.8  # what bleaching leaves of the light at the end


@overload
def fromexample(name: None = None, engine: object = None) -> tuple[str, ...]: ...
@overload
def fromexample(name: str, engine: object = None) -> Images: ...
@checked_arguments
def fromexample(name: str | None = None, engine: object = None) -> Images | tuple[str, ...]:
    """Make an example movie, or list their names.

    Parameters
    ----------
    name : {'calcium', 'moving_cells'}, optional
        A two-photon recording of neurons, of which some follow a behaviour: :func:`calcium`; or
        one that needs motion correction: :func:`moving_cells`.
    engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
        Where to keep the images; every engine makes the same ones.

    Returns
    -------
    Images
        Or, without a name, a tuple of the names.

    Raises
    ------
    KeyMissingError
        For another name.

    Examples
    --------
    >>> fromexample()
    ('calcium', 'moving_cells')
    >>> fromexample("calcium")
    Images
    mode: local
    dtype: uint16
    shape: (600, 128, 128)
    """
    if name is None:
        return tuple(_EXAMPLES)
    if name not in _EXAMPLES:
        raise KeyMissingError(f"unknown example {name!r}; available: {', '.join(_EXAMPLES)}")
    return _EXAMPLES[name](engine)


@dataclass(frozen=True, eq=False)
class Cells:
    """Properties of the cells.

    Parameters
    ----------
    centres : ndarray, shape (k, 2)
        Row and column, in pixels.
    radii : ndarray, shape (k,)
        In pixels.
    follows : ndarray of bool, shape (k,)
        Whether the behaviour drives the cell.

    Examples
    --------
    >>> cells = calcium(frames=60).cells
    >>> len(cells), cells.centres.shape, int(cells.follows.sum())
    (42, (42, 2), 14)
    """

    centres: Array
    radii: Array
    follows: Array

    def __len__(self) -> int:
        return len(self.radii)


@dataclass(frozen=True, eq=False)
class Calcium:
    """A synthetic two-photon recording, and the truth about it.

    Parameters
    ----------
    seed : int
        Seed of the random numbers.
    behaviour : ndarray, shape (n,)
        Running speed in cm/s at each image.
    cells : Cells
        Where they are, and which of them follow the behaviour.
    traces : ndarray, shape (n, k)
        Fluorescence of each cell relative to its rest.
    labels : ndarray of int, shape (height, width)
        The number of the cell that a pixel belongs to, from 0; -1 for none.
    rest : ndarray, shape (height, width)
        Photons that a pixel receives of its cell at rest, less towards the cell's rim.
    neuropil : ndarray, shape (m, height, width)
        Patterns of the tissue around, in photons.
    glow : ndarray, shape (n, m)
        How bright each pattern is at each image.
    light : ndarray, shape (n,)
        What bleaching and drift of the focus leave of everything.

    Examples
    --------
    >>> recording = calcium(frames=60)
    >>> recording.traces.shape, recording.masks().shape, float(recording.seconds[30])
    ((60, 42), (42, 128, 128), 1.0)
    """

    seed: int
    behaviour: Array
    cells: Cells
    traces: Array
    labels: Array
    rest: Array
    neuropil: Array
    glow: Array
    light: Array

    @property
    def seconds(self) -> Array:
        """The time of each image, from 0."""
        return np.arange(len(self.behaviour)) / RATE

    def masks(self) -> Array:
        """The pixels of each cell: bool, of shape ``(k, height, width)``."""
        numbers = np.arange(len(self.cells))[:, np.newaxis, np.newaxis]
        values: Array = self.labels == numbers
        return values

    def images(self, engine: object = None) -> Images:
        """The movie: uint16, of shape ``(n, height, width)``; equal on every engine."""
        return Images(engine_for(engine).load(CalciumSource(len(self.behaviour), self.seed)))

    def expected(self, number: int) -> Array:
        """Photons that the pixels of an image receive on average, of shape ``(height, width)``."""
        # The last row is for pixels of no cell, whose label is -1.
        bright = np.append(1 + self.traces[number], 0)
        photons = _DARK + self.rest * bright[self.labels]
        for pattern, brightness in zip(self.neuropil, self.glow[number], strict=True):
            photons += pattern * brightness
        values: Array = photons * self.light[number]
        return values


@dataclass(frozen=True)
class CalciumSource(SourceDefaults):
    """Images of a recording; image `v` depends on `seed`, `count` and `v` alone.

    Parameters
    ----------
    count : int
        How many images there are.
    seed : int
        Of :func:`calcium`, which each worker calls once.

    Examples
    --------
    >>> CalciumSource(count=60, seed=1).spec.shape
    (128, 128)
    >>> image = np.empty((1, 128, 128), np.uint16)
    >>> CalciumSource(count=60, seed=1).read(7, 8, out=image)
    >>> bool((image[0] == calcium(60).images()[7].toarray()).all())
    True
    """

    count: int
    seed: int

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of the images."""
        return Spec(self.count, SHAPE, np.dtype(np.uint16))

    def read(self, start: int, stop: int, out: Array) -> None:
        """Draw the photons of each image with a generator of its own."""
        recording = calcium(self.count, self.seed)
        for row, number in enumerate(range(start, stop)):
            photons = np.random.default_rng([self.seed, number]).poisson(recording.expected(number))
            out[row] = np.minimum(photons + _OFFSET, np.iinfo(np.uint16).max)


@lru_cache(maxsize=4)
def calcium(frames: int = FRAMES, seed: int = 1) -> Calcium:
    """Make up a two-photon recording of 42 neurons in which 14 follow an animal's running speed.

    Spikes come at random, for the followers at a rate that the speed drives; each spike makes a
    calcium transient. Around the cells the neuropil glows, smooth in space and slow in time;
    everything bleaches and drifts; what the detector counts has shot noise.

    Parameters
    ----------
    frames : int
        How many images of 128 x 128 pixels, 30 a second.
    seed : int
        Equal seeds give equal recordings.

    Returns
    -------
    Calcium
        The truth; its `images` draws the movie, image by image where the engine runs.

    Raises
    ------
    SpecError
        For fewer than 2 images: nothing can follow anything in one.

    Examples
    --------
    >>> recording = calcium(frames=60)
    >>> recording.images().shape, recording.behaviour.shape
    ((60, 128, 128), (60,))
    >>> int(recording.cells.follows.sum()), recording.masks().shape
    (14, (42, 128, 128))
    """
    if frames < 2 or seed < 0:
        raise SpecError(
            "a recording has 2 images or more and a seed of 0 or more, not "
            f"{frames} images and seed {seed}"
        )
    rng = np.random.default_rng(seed)
    cells = _cells(rng)
    behaviour = _running(rng, frames)
    labels, rest = _discs(cells)
    recording = Calcium(
        seed=seed,
        behaviour=behaviour,
        cells=cells,
        traces=_transients(_spikes(rng, behaviour, cells.follows)),
        labels=labels,
        rest=rest,
        neuropil=_neuropil(rng),
        glow=1 + 0.08 * _slow(rng, (frames, 3), seconds=0.3),
        light=np.exp(np.linspace(0, math.log(_FADE), frames))  # bleaching
        * (1 + 0.005 * _slow(rng, (frames,), seconds=2)),
    )
    for array in (*vars(recording).values(), *vars(cells).values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False  # it is shared by all who ask for this recording
    return recording


def _cells(rng: np.random.Generator) -> Cells:
    """Throw discs at the image and keep those that touch no other."""
    centres, radii = np.empty((0, 2)), np.empty(0)
    while len(radii) < CELLS:
        centre = rng.uniform(_BORDER, np.array(SHAPE) - 1 - _BORDER)
        radius = rng.uniform(4.5, 5.5)
        if (np.hypot(*(centres - centre).T) > radii + radius + _GAP).all():
            centres, radii = np.vstack([centres, centre]), np.append(radii, radius)
    return Cells(centres, radii, rng.permutation(np.arange(CELLS) < FOLLOWERS))


def _discs(cells: Cells) -> tuple[Array, Array]:
    """Return the cell of each pixel, and its baseline, which fades over the last pixel."""
    rows, columns = np.indices(SHAPE)[:, np.newaxis]
    distance = np.hypot(
        rows - cells.centres[:, 0, np.newaxis, np.newaxis],
        columns - cells.centres[:, 1, np.newaxis, np.newaxis],
    )
    inside = cells.radii[:, np.newaxis, np.newaxis] - distance
    nearest = inside.argmax(axis=0)
    depth = np.take_along_axis(inside, nearest[np.newaxis], axis=0)[0]
    return np.where(depth > 0, nearest, -1), _CELL * np.clip(depth / 1.5, 0, 1)


def _running(rng: np.random.Generator, frames: int) -> Array:
    """Bouts of running, of a second or so, up to 30 cm/s; at rest half of the time."""
    urge = _slow(rng, (frames,), seconds=0.4)
    bouts = np.maximum(urge - np.median(urge), 0)
    values: Array = 30 * bouts / bouts.max()
    return values


def _spikes(rng: np.random.Generator, behaviour: Array, follows: Array) -> Array:
    """Number of spikes of each cell in each image, of shape (n, k)."""
    driven = 0.2 + 14 * behaviour[:, np.newaxis] / behaviour.max()
    hertz = np.where(follows, driven, 1.0)
    return rng.poisson(hertz / RATE)


def _transients(spikes: Array) -> Array:
    """Fluorescence after spikes: each adds a fast rise and a slow decay."""
    seconds = np.arange(math.ceil(6 * _DECAY * RATE)) / RATE
    kernel = np.exp(-seconds / _DECAY) - np.exp(-seconds / _RISE)
    kernel *= _SPIKE / kernel.max()
    return np.stack([np.convolve(train, kernel)[: len(train)] for train in spikes.T], axis=1)


def _neuropil(rng: np.random.Generator) -> Array:
    """Smooth patterns, of shape (3, height, width), that together are as bright as neuropil is."""
    from scipy import ndimage

    fields = ndimage.gaussian_filter(rng.standard_normal((3, *SHAPE)), (0, 14, 14), mode="wrap")
    weights = np.exp(0.6 * fields / fields.std())
    values: Array = _NEUROPIL * weights / weights.sum(axis=0).mean()
    return values


def _slow(rng: np.random.Generator, shape: tuple[int, ...], seconds: float) -> Array:
    """Noise of mean 0 and deviation 1, smooth along the first axis over so many seconds."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter1d(rng.standard_normal(shape), seconds * RATE, 0, mode="wrap")
    deviation = noise.std(axis=0)
    values: Array = (noise - noise.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return values


_EXAMPLES: dict[str, Callable[[Any], Images]] = {
    "calcium": lambda engine: calcium().images(engine),
    "moving_cells": lambda engine: moving_cells().toimages(engine),
}
