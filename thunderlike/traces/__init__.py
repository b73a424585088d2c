"""Traces of cells: from the frames of a movie to fluorescence, neuropil and separate signals.

>>> import numpy as np
>>> import thunderlike as tl
>>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
>>> cells = np.zeros((2, 32, 32))
>>> cells[0, 5:9, 5:9] = cells[1, 20:25, 20:25] = 1
>>> tl.traces.extract(movie, cells).corrected.shape
(2, 90)
"""

from __future__ import annotations

from thunderlike.traces.extraction import extract
from thunderlike.traces.model import Traces, load

__all__ = ["Traces", "extract", "load"]
