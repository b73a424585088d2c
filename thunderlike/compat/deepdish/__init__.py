"""``import thunderlike.compat.deepdish as dd``: deepdish's names, for scripts written for it.

Its modules have deepdish's names as well, so that ``from deepdish.io import save`` needs one word
more. After :func:`install`, ``import deepdish`` itself means this package, in this process.

>>> import thunderlike.compat.deepdish as dd
>>> from thunderlike.compat.deepdish.io import load, save
>>> save("memory://compat/test.h5", {"foo": [1, 2], "bar": "text"})
>>> load("memory://compat/test.h5", "/foo")
[1, 2]
>>> dd.humanize_bytesize(1536)
'1.5 KB'
"""

from __future__ import annotations

from thunderlike.compat import aliases
from thunderlike.compat.deepdish import core, image, io, parallel, util
from thunderlike.compat.deepdish.core import (
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


def install() -> None:
    """Let ``import deepdish`` and ``from deepdish.io import save`` mean this package from now on.

    For packages that import deepdish themselves and cannot be changed; nothing is written to the
    disk. Workers of Spark and other processes have to call it too.

    Raises
    ------
    AlreadyImported
        When the real deepdish was imported in this process.

    Examples
    --------
    >>> install()
    >>> import deepdish
    >>> from deepdish.util import pad
    >>> deepdish.io.save is io.save
    True
    """
    modules = {"core": core, "image": image, "io": io, "parallel": parallel, "util": util}
    contents = {
        f"deepdish.{name}": {public: getattr(module, public) for public in module.__all__}
        for name, module in modules.items()
    }
    top = {name: globals()[name] for name in __all__ if name not in (*modules, "install")}
    aliases.install({"deepdish": top, **contents})
