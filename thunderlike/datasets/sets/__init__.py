"""Public datasets: download, verification and conversion, and declarations of further sets.

Each set is one declaration, a :class:`SetSpec`. ``names()`` lists them,
``write("CIFAR10", "downloads", "data")`` makes datasets that ``tl.datasets.MsgpackReader`` opens.
Other packages add sets by the entry point ``thunderlike.sets``.
"""

from __future__ import annotations

from thunderlike.datasets.sets.catalog import get, names
from thunderlike.datasets.sets.convert import metadata, write
from thunderlike.datasets.sets.spec import KINDS, TYPES, Item, Option, SetSpec, Source, Split, Task
from thunderlike.datasets.sets.yfcc100m import YFCC100mReader, rejected

__all__ = [
    "KINDS",
    "TYPES",
    "Item",
    "Option",
    "SetSpec",
    "Source",
    "Split",
    "Task",
    "YFCC100mReader",
    "get",
    "metadata",
    "names",
    "rejected",
    "write",
]
