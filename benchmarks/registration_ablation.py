"""Ablation of motion correction: what each ingredient of the method is worth in accuracy.

    python benchmarks/registration_ablation.py [ROW ...]
    SEEDS=5 FIRST=700 FRAMES=40 python benchmarks/registration_ablation.py

Rows are families of motion at two brightnesses, as in registration.py, with its environment
variables: movies of 256 x 256 pixels, errors in pixels at the nodes of the interior. Each variant
is the whole method, reference included, with one ingredient left out. Printed are mean, least and
largest error over the seeds, and the mean as a multiple of that of the whole method. --rounds has
no effect: results are deterministic.
"""

from __future__ import annotations

import math
import os
import statistics
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
from harness import Row, main
from registration import FIRST, SEEDS, Movie, at_nodes

import thunderlike as tl
from thunderlike.registration import estimation, gauss_newton, reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

KINDS, PHOTONS = ("rigid", "smooth", "rough", "bumps"), (5.0, 0.2)


@dataclass(frozen=True)
class Ablation:
    """The method with one ingredient left out, and the movies of a row.

    Parameters
    ----------
    movies : list of Movie
    without : callable
        Makes the context in which the ingredient is left out of the package.
    parameters : dict
        Of the algorithm.
    averaged : bool
        Whether the mean of the frames as they are is the reference.
    """

    movies: list[Movie]
    without: Callable[[], AbstractContextManager[Any]] = nullcontext
    parameters: dict[str, Any] = field(default_factory=dict)
    averaged: bool = False

    def __call__(self) -> list[float]:
        """Return the error of each movie."""
        with self.without(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [self.error(movie) for movie in self.movies]

    def error(self, movie: Movie) -> float:
        """Return the error of a movie, whose fit builds a reference of its own."""
        algorithm = movie.algorithm.set_params(**self.parameters)
        model = algorithm.fit(movie.frames, movie.frames.mean(axis=0) if self.averaged else None)
        if model.fields is None:
            return movie.error(model.shifts)
        return movie.error(at_nodes(model.fields, model.nodes, movie.truth.nodes))


def without_weights() -> AbstractContextManager[Any]:
    """Weigh all pixels alike, by the mean of their variances."""
    made = gauss_newton.Level.of

    def alike(
        mean: np.ndarray, scene: np.ndarray, variance: np.ndarray, *rest: Any, **more: Any
    ) -> gauss_newton.Level:
        return made(mean, scene, np.full_like(variance, variance.mean()), *rest, **more)

    return mock.patch.object(gauss_newton.Level, "of", alike)


# The brightness of frames relative to the reference, the noise of the mean, the share of noise that
# interpolation leaves, and the limit of a refined shift.
without_brightness = partial(
    mock.patch.object, gauss_newton.Refinement, "brightness", return_value=(1.0, 0.0)
)
without_noise = partial(mock.patch.object, estimation, "denoised", lambda mean, _: mean)
without_smoothing = partial(mock.patch.object, reference, "_smoothing", return_value=1.0)
without_trust = partial(mock.patch.object, gauss_newton, "_TRUST", math.inf)


def rows() -> Iterator[Row]:
    """Each family of motion, bright and dark."""
    for kind in KINDS:
        for photons in PHOTONS:
            movies = [Movie(kind, photons, seed) for seed in range(FIRST, FIRST + SEEDS)]
            variants = {
                "reference": Ablation(movies, averaged=True),
                "weights of pixels": Ablation(movies, without_weights),
                "noise of reference": Ablation(movies, without_noise),
                "variance as sampled": Ablation(movies, without_smoothing),
                "brightness": Ablation(movies, without_brightness),
                "trust region": Ablation(movies, without_trust),
            }
            if kind != "rigid":
                variants |= {
                    "prior of fields": Ablation(movies, parameters={"deviation": 1000.0}),
                    "length estimated": Ablation(movies, parameters={"length": 60.0}),
                    "deviation estimated": Ablation(movies, parameters={"deviation": 1.0}),
                    "both estimates": Ablation(
                        movies, parameters={"length": 60.0, "deviation": 1.0}
                    ),
                }
            yield Row(f"{kind} {photons:g} ph", Ablation(movies), variants)


@tl.config(progress=False)
def measure(row: Row, rounds: int) -> dict[str, float]:  # noqa: ARG001
    """Print errors with their spread; return those of the whole method, and ratios to them."""
    table: dict[str, float] = {}
    for name, call in {"nothing": row.ours, **row.rivals}.items():
        errors = call()
        mean = statistics.mean(errors)
        middle = table.setdefault("px", mean)
        spread = f"{mean:.3f} ({min(errors):.3f}-{max(errors):.3f}) px"
        print(f"{row.name:<14}without {name:<22}{spread}  {mean / middle:5.2f}", flush=True)
        if name != "nothing":
            table[name] = mean / middle
    return table


if __name__ == "__main__":
    os.environ.setdefault("THUNDERLIKE_NUMBA", "always")
    main(rows, __doc__, measure)
