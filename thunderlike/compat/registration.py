"""thunder-registration's modules: after importing this, ``import registration`` works.

For scripts written for thunder-registration 1.0; import this module before them. Spark workers
import it before they unpickle a function. Importing it raises `AlreadyImportedError` if that
package itself was imported in the same process; an installed one that is not imported is shadowed.

>>> import thunderlike.compat.registration
>>> from registration import CrossCorr
>>> model = CrossCorr().fit([[[0, 1], [0, 0]], [[0, 0], [1, 0]]], reference=[[1, 0], [0, 0]])
>>> model.transformations
{(0,): Displacement(delta=[0, 1]), (1,): Displacement(delta=[1, 0])}
"""

from __future__ import annotations

import sys
from typing import Any

from thunderlike.compat.aliases import install
from thunderlike.engines.jobs import import_first
from thunderlike.registration import (
    CrossCorr,
    Displacement,
    LocalDisplacement,
    RegistrationModel,
    load,
)
from thunderlike.registration.model import as_images

__all__ = ["MODULES", "__version__"]

__version__ = "1.0.1"  # the release of thunder-registration whose names these are

# Parents before children, as `install` needs them.
MODULES: dict[str, dict[str, Any]] = {
    "registration": {"__version__": __version__, "CrossCorr": CrossCorr, "load": load},
    "registration.algorithms": {"CrossCorr": CrossCorr},
    "registration.algorithms.crosscorr": {"CrossCorr": CrossCorr},
    "registration.model": {"RegistrationModel": RegistrationModel},
    "registration.transforms": {
        "Displacement": Displacement,
        "LocalDisplacement": LocalDisplacement,
    },
    "registration.utils": {"check_images": as_images},
}

install(MODULES)
# Functions that refer to `registration` are unpickled on workers, which must install it too.
import_first(sys.modules[__name__])
