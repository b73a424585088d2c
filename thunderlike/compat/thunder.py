"""Thunder's modules: after ``import thunderlike.compat.thunder``, ``import thunder`` works.

For scripts and packages written for Thunder 1.x; import this module before them. Spark workers
import it before they unpickle a function. Importing it raises `AlreadyImportedError` if Thunder or
bolt itself was imported in the same process; an installed Thunder that is not imported is shadowed.

>>> import thunderlike.compat.thunder
>>> from thunder.images import fromarray, Images
>>> images = fromarray([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
>>> isinstance(images, Images), images.mean().toarray().tolist()
(True, [[3.0, 4.0], [5.0, 6.0]])
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from thunderlike import images, series
from thunderlike.compat import thunder_files as files
from thunderlike.compat.aliases import contents, install
from thunderlike.data.base import Base
from thunderlike.data.blocks import Blocks
from thunderlike.data.collection import Collection
from thunderlike.data.images import Images
from thunderlike.data.series import Series
from thunderlike.engines import DistributedArray
from thunderlike.engines.jobs import import_first

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["MODULES", "__version__", "images", "series"]

__version__ = "1.4.2"  # the release of Thunder whose names these are


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


# Parents before children, as `install` needs them.
MODULES: dict[str, dict[str, Any]] = {
    "thunder": {"__version__": __version__},
    "thunder.base": {"Base": Base, "Data": Collection},
    "thunder.readers": contents("thunderlike.compat.readers") or {},
    "thunder.images": _public(images),
    "thunder.images.images": {"Images": Images},
    "thunder.images.readers": _public(images),
    "thunder.images.writers": {
        "topng": files.topng,
        "totif": files.totif,
        "tobinary": files.images_tobinary,
        "config": files.write_config,
    },
    "thunder.series": _public(series),
    "thunder.series.series": {"Series": Series},
    "thunder.series.readers": _public(series),
    "thunder.series.writers": {
        "tobinary": files.series_tobinary,
        "write_config": files.write_config,
        "getlabel": files.getlabel,
    },
    "thunder.blocks": {},
    "thunder.blocks.blocks": {"Blocks": Blocks},
    # The class of distributed arrays, by which scripts recognize them.
    "bolt": {},
    "bolt.spark": {},
    "bolt.spark.array": {"BoltArraySpark": DistributedArray},
}

install(MODULES)
# Functions that refer to `thunder` are unpickled on workers, whose processes must install it too.
import_first(sys.modules[__name__])
