"""thunder-extraction's modules: after importing this, ``import extraction`` works.

For scripts written for thunder-extraction 1.2; import this module before them. ``import regional``
works as well, the package of regions that it uses. Spark workers import this module before they
unpickle a function. Importing it raises `AlreadyImportedError` if one of these packages itself was
imported in the same process; an installed one that is not imported is shadowed.

>>> import thunderlike.compat.extraction
>>> from extraction import NMF
>>> from extraction.utils import make_gaussian
>>> data = make_gaussian(seed=42, noise=0.5)
>>> NMF().fit(data).transform(data).shape
(5, 100)
"""

from __future__ import annotations

import sys
from typing import Any

from thunderlike.compat.aliases import install
from thunderlike.engines.jobs import import_first
from thunderlike.extraction import NMF, ExtractionModel, Region, Regions, load, make_gaussian
from thunderlike.registration.model import as_images

__all__ = ["MODULES", "__version__"]

__version__ = "1.2.1"  # the release of thunder-extraction whose names these are

_REGIONAL: dict[str, Any] = {"one": Region, "many": Regions}

# Parents before children, as `install` needs them.
MODULES: dict[str, dict[str, Any]] = {
    "extraction": {"__version__": __version__, "NMF": NMF, "load": load},
    "extraction.algorithms": {"NMF": NMF},
    "extraction.algorithms.nmf": {"NMF": NMF},
    "extraction.model": {"ExtractionModel": ExtractionModel},
    "extraction.utils": {
        "check_images": as_images,
        "load": load,
        "make_gaussian": make_gaussian,
    },
    "regional": {"__version__": "1.1.2", **_REGIONAL},
    "regional.regional": _REGIONAL,
}

install(MODULES)
# Functions that refer to `extraction` are unpickled on workers, which must install it too.
import_first(sys.modules[__name__])
