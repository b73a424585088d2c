"""The package thunder-factorization: after importing this module, ``import factorization`` works.

For scripts written for thunder-factorization 1.0; import this module before them. Spark workers
import it before they unpickle a function. Importing it raises `AlreadyImportedError` if that
package itself was imported in the same process; an installed one that is not imported is shadowed.

>>> import thunderlike.compat.factorization
>>> from factorization import PCA
>>> T, W = PCA(k=2).fit([[1.0, 2, 2], [2, 4, 4], [3, 6, 7]])
>>> T.shape, W.shape
((3, 2), (2, 3))
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from thunderlike.compat.aliases import install
from thunderlike.engines.jobs import import_first
from thunderlike.factorization import ICA, NMF, PCA, SVD

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ICA", "MODULES", "NMF", "PCA", "SVD", "__version__"]

__version__ = "1.0.0"  # the release whose names these are

_ALGORITHMS: Mapping[str, Any] = {"ICA": ICA, "NMF": NMF, "PCA": PCA, "SVD": SVD}

# Parents before children, as `install` needs them.
MODULES: dict[str, Mapping[str, Any]] = {
    "factorization": {"__version__": __version__, **_ALGORITHMS},
    "factorization.algorithms": _ALGORITHMS,
}

install(MODULES)
# Functions that refer to `factorization` are unpickled on workers, which must install it too.
import_first(sys.modules[__name__])
