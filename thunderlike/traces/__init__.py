"""Traces of cells: from the frames of a movie to fluorescence, dF/F, spikes and events.

>>> import numpy as np
>>> import thunderlike as tl
>>> movie = np.random.default_rng(0).poisson(50, (90, 32, 32))
>>> cells = np.zeros((2, 32, 32))
>>> cells[0, 5:9, 5:9] = cells[1, 20:25, 20:25] = 1
>>> traces = tl.traces.extract(movie, cells, fs=15)
>>> traces.corrected.shape, traces.spikes.shape, len(traces.events)
((2, 90), (2, 90), 2)
"""

from __future__ import annotations

from thunderlike.traces.baselines import baseline, dff, noise
from thunderlike.traces.deconvolution import Deconvolved, deconvolve
from thunderlike.traces.event_detection import Events, events
from thunderlike.traces.extraction import extract
from thunderlike.traces.model import Traces, load

__all__ = [
    "Deconvolved",
    "Events",
    "Traces",
    "baseline",
    "deconvolve",
    "dff",
    "events",
    "extract",
    "load",
    "noise",
]
