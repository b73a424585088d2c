"""Cells of a movie: their masks with weights, the quality of each, and their traces.

>>> import thunderlike as tl
>>> model = tl.extraction.ExtractionModel([[[0, 0], [0, 1]], [[2, 2], [2, 3]]], (4, 4))
>>> model.count, model.centers.tolist()
(2, [[0.0, 0.5], [2.0, 2.5]])
"""

from __future__ import annotations

from thunderlike.extraction.detection import CellDetection
from thunderlike.extraction.examples import make_gaussian
from thunderlike.extraction.masks import fromimagej, fromlabels, frommasks, fromregional
from thunderlike.extraction.matching import Matches, Union, union
from thunderlike.extraction.model import ExtractionModel, load
from thunderlike.extraction.nmf import NMF
from thunderlike.extraction.nwb import fromnwb
from thunderlike.extraction.regions import Region, Regions
from thunderlike.extraction.suite2p import fromsuite2p

__all__ = [
    "NMF",
    "CellDetection",
    "ExtractionModel",
    "Matches",
    "Region",
    "Regions",
    "Union",
    "fromimagej",
    "fromlabels",
    "frommasks",
    "fromnwb",
    "fromregional",
    "fromsuite2p",
    "load",
    "make_gaussian",
    "union",
]
