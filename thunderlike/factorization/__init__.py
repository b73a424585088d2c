"""Components of movies and of many series: SVD, PCA, NMF, ICA, on any engine.

The classes have the names and the results of thunder-factorization, ``fit`` returns a list of
factors, and a fitted model behind it: ``fit(X).model``, or ``fit_model(X)``.

>>> import thunderlike as tl
>>> movie = tl.images.fromrandom((60, 8, 8), seed=1)
>>> model = tl.factorization.PCA(k=3).fit_model(movie)
>>> model.transform(movie).shape, model.components_.shape
((60, 3), (3, 8, 8))
"""

from __future__ import annotations

from thunderlike.factorization._estimators import Factors
from thunderlike.factorization.ica import ICA
from thunderlike.factorization.models import (
    Factorization,
    ICAModel,
    NMFModel,
    PCAModel,
    SVDModel,
    load,
)
from thunderlike.factorization.nmf import NMF
from thunderlike.factorization.svd import PCA, SVD

__all__ = [
    "ICA",
    "NMF",
    "PCA",
    "SVD",
    "Factorization",
    "Factors",
    "ICAModel",
    "NMFModel",
    "PCAModel",
    "SVDModel",
    "load",
]
