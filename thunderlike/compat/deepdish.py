"""``import thunderlike.compat.deepdish as dd``: deepdish's names, for scripts written for it.

Its modules have deepdish's names too: ``deepdish.io`` is ``thunderlike.compat.deepdish.io``. After
:func:`install`, ``import deepdish`` itself imports this package, in this process.

>>> import thunderlike.compat.deepdish as dd
>>> from thunderlike.compat.deepdish.io import load, save
>>> save("memory://compat/test.h5", {"foo": [1, 2], "bar": "text"})
>>> load("memory://compat/test.h5", "/foo")
[1, 2]
>>> dd.humanize_bytesize(1536)
'1.5 KB'
"""

from __future__ import annotations

import importlib

from thunderlike.compat import aliases
from thunderlike.util import (
    apply_once,
    aslice,
    bytesize,
    humanize_bytesize,
    memsize,
    multi_range,
    span,
    timed,
    tupled_argmax,
)

__all__ = [
    "__version__",
    "apply_once",
    "aslice",
    "bytesize",
    "core",
    "humanize_bytesize",
    "image",
    "install",
    "io",
    "memsize",
    "multi_range",
    "parallel",
    "span",
    "timed",
    "tupled_argmax",
    "util",
]

__version__ = "0.3.7"  # the release of deepdish whose names these are
__path__: list[str] = []  # modules below, of which none is a file

_CORE = "apply_once aslice bytesize humanize_bytesize memsize multi_range span timed tupled_argmax"
_MODULES = {
    "core": {"thunderlike.util": _CORE},
    "image": {
        "thunderlike.util.images": "asgray bounding_box bounding_box_as_binary_map crop "
        "crop_or_pad crop_to_bounding_box extract_patches integrate load load_raw offset resize "
        "resize_by_factor save"
    },
    "io": {"thunderlike.hdf5": "Compression ForcePickle append aslice load ls save"},
    "parallel": {
        "thunderlike.parallel": "Failure generator imap imap_unordered main pmap rank seeded "
        "shutdown starmap starmap_unordered"
    },
    "util": {
        "thunderlike.util": f"{_CORE} NamedRegistry Saveable SaveableRegistry "
        "apply_whitening_matrix images pad pad_repeat_border pad_repeat_border_corner pad_to_size "
        "whiten zca_whitening_matrix"
    },
}

aliases.submodules(__name__, _MODULES)
# Attributes as well, because `dd.io.save` is used without an import of `deepdish.io`.
core, image, io, parallel, util = (
    importlib.import_module(f"{__name__}.{name}") for name in _MODULES
)


def install() -> None:
    """Let ``import deepdish`` and ``from deepdish.io import save`` import this package from now on.

    For packages that import deepdish themselves and cannot be changed. Nothing is written to disk.
    Workers of Spark and other processes have to call it too.

    Raises
    ------
    AlreadyImportedError
        When the real deepdish was imported in this process.

    Examples
    --------
    >>> install()
    >>> import deepdish
    >>> from deepdish.util import pad
    >>> deepdish.io.save is io.save
    True
    """
    below = {f"deepdish.{name}": aliases.contents(f"{__name__}.{name}") or {} for name in _MODULES}
    top = {name: globals()[name] for name in __all__ if name not in (*_MODULES, "install")}
    aliases.install({"deepdish": top, **below})
