"""Public datasets, and how to add one's own: found, fetched, verified, converted.

Each set is one declaration, a :class:`SetSpec`; the rest is shared. ``names()`` lists them,
``write("CIFAR10", "downloads", "data")`` makes datasets that ``tl.datasets.MsgpackReader`` opens.
Those of other packages come by the entry point ``thunderlike.sets``.
"""

from __future__ import annotations

from thunderlike.datasets.sets.catalog import get, names
from thunderlike.datasets.sets.spec import KINDS, Item, Option, SetSpec, Source, Split, Task
from thunderlike.datasets.sets.types import TYPES
from thunderlike.datasets.sets.writing import metadata, write
from thunderlike.datasets.yfcc100m import YFCC100mReader, rejected

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
