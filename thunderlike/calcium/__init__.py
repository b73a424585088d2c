"""Calcium imaging end to end: from a movie to cells, traces and spikes, in steps that resume.

>>> import thunderlike as tl
>>> from thunderlike.images.cell_movies import cell_movie
>>> movie = cell_movie((64, 64), count=400, cells=6, amplitude=14.0, seed=1).toimages()
>>> result = tl.calcium.run(movie, "memory://day1", fs=15, registration=None, nwb=False)
>>> result.plane.activity["spikes"].shape == result.plane.traces.F.shape
True
"""

from __future__ import annotations

from thunderlike.calcium.pipeline import Pipeline, Plan, plan, run
from thunderlike.calcium.results import Plane, Result, load

__all__ = ["Pipeline", "Plan", "Plane", "Result", "load", "plan", "run"]
