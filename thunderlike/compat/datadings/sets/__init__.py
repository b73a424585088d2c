"""``datadings.sets``: ``VOC2012`` and the others, and ``VOC2012_write`` to write them.

A module of a set has its ``CLASSES``, and its ``COLORS`` where it has label images. To write it,
``python -m thunderlike.compat.datadings.sets.VOC2012_write`` is ``thunderlike datasets write
VOC2012``.

>>> from thunderlike.compat.datadings.sets import VOC2012
>>> VOC2012.CLASSES[15], VOC2012.index_to_color([15]).tolist()
('person', [[192, 128, 128]])
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.util import spec_from_loader
from typing import TYPE_CHECKING, Any

from thunderlike.datasets.sets import get, names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__: list[str] = []

_WRITE = "_write"
_SET = """\
\"\"\"``datadings.sets.{name}``: what is known of the set.\"\"\"

from thunderlike.compat.datadings.sets._facts import facts

globals().update(facts({name!r}))
__all__ = sorted(name for name in globals() if not name.startswith("_") and name != "facts")
"""
_WRITER = """\
\"\"\"``datadings.sets.{name}_write``: writes the set.\"\"\"

from thunderlike.compat.datadings.commands import command
from thunderlike.compat.datadings.sets._facts import files

__all__ = ["FILES", "main"]

FILES = files({name!r})
main = command("datasets", "write", {name!r})

if __name__ == "__main__":
    main()
"""


class _Sets(MetaPathFinder, InspectLoader):
    """Finds two modules for each set of the catalog: all are alike, so no file holds them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != __name__ or name.removesuffix(_WRITE) not in names():
            return None
        return spec_from_loader(fullname, self)

    def get_source(self, fullname: str) -> str:
        name = fullname.rpartition(".")[2]
        text = _WRITER if name.endswith(_WRITE) else _SET
        return text.format(name=get(name.removesuffix(_WRITE)).name)

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002
        return False


sys.meta_path.append(_Sets())


def __getattr__(name: str) -> Any:
    if name.removesuffix(_WRITE) in names():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
