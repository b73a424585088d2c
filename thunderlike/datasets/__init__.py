"""Keyed samples in msgpack files: convert once, then read millions a minute, in any order.

The files are those of datadings 3.4, byte for byte. Readers, views and writers are named here; the
index functions are in ``thunderlike.datasets.index``, what PyTorch needs in
``thunderlike.datasets.torch``.
"""

from __future__ import annotations

from thunderlike._lazy import attributes as _attributes
from thunderlike.datasets.distributed import tordd, write
from thunderlike.datasets.folder import DirectoryReader, ListReader, TarReader, ZipFileReader
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.operations import check, reindex
from thunderlike.datasets.reader import Cycler, Range, Reader, Repeater, Select, View
from thunderlike.datasets.sharded import ShardedReader, ShardWriter
from thunderlike.datasets.shuffle import QuasiShuffler, Shuffler
from thunderlike.datasets.verification import Report
from thunderlike.datasets.writer import FileWriter, RawWriter, Writer

__all__ = [
    "Cycler",
    "DirectoryReader",
    "FileWriter",
    "ListReader",
    "MsgpackReader",
    "QuasiShuffler",
    "Range",
    "RawWriter",
    "Reader",
    "Repeater",
    "Report",
    "Select",
    "ShardWriter",
    "ShardedReader",
    "Shuffler",
    "TarReader",
    "View",
    "Writer",
    "ZipFileReader",
    "check",
    "packing",
    "reindex",
    "scripts",
    "sets",
    "tools",
    "torch",
    "tordd",
    "write",
]

# The public sets are many declarations, and torch imports PyTorch: when they are first named.
_LATER = ("packing", "scripts", "sets", "tools", "torch")
__getattr__ = _attributes(
    __name__,
    {
        name: f"thunderlike.datasets.{name}"
        for name in ("packing", "scripts", "sets", "tools", "torch")
    },
)
