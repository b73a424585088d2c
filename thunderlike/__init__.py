"""Images and time series too big to loop over: numpy on a laptop, the same lines on Spark.

>>> import thunderlike as tl
>>> movie = tl.images.fromrandom((20, 8, 8))
>>> movie.toseries().zscore().correlate(range(20)).toarray().shape
(8, 8)
"""

from __future__ import annotations

import logging as _logging

from thunderlike import errors
from thunderlike._lazy import attributes as _attributes
from thunderlike._version import __version__
from thunderlike.config import config
from thunderlike.errors import ThunderlikeError
from thunderlike.progress import progress

__all__ = [
    "Images",
    "Series",
    "ThunderlikeError",
    "__version__",
    "arrays",
    "aslice",
    "batches",
    "calcium",
    "config",
    "datasets",
    "errors",
    "extraction",
    "factorization",
    "hdf5",
    "images",
    "load",
    "parallel",
    "progress",
    "registration",
    "regression",
    "save",
    "series",
    "spark",
    "traces",
    "util",
    "viz",
]

_logging.getLogger(__name__).addHandler(_logging.NullHandler())

# Everything that needs more than the standard library is imported when it is first named.
__getattr__ = _attributes(
    __name__,
    {
        "arrays": "thunderlike.arrays",
        "images": "thunderlike.images",
        "series": "thunderlike.series",
        "datasets": "thunderlike.datasets",
        "extraction": "thunderlike.extraction",
        "factorization": "thunderlike.factorization",
        "hdf5": "thunderlike.hdf5",
        "regression": "thunderlike.regression",
        "traces": "thunderlike.traces",
        "util": "thunderlike.util",
        "aslice": "thunderlike.util.arrays:aslice",
        "save": "thunderlike.hdf5.api:save",
        "load": "thunderlike.hdf5.api:load",
        "batches": "thunderlike.batches",
        "calcium": "thunderlike.calcium",
        "parallel": "thunderlike.parallel",
        "registration": "thunderlike.registration",
        "viz": "thunderlike.viz",
        "Images": "thunderlike.data.images:Images",
        "Series": "thunderlike.data.series:Series",
        "spark": "thunderlike.engines.spark",
    },
)


def __dir__() -> list[str]:
    return __all__
