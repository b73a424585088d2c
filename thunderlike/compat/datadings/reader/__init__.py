"""``datadings.reader``: readers, and augments of them."""

from __future__ import annotations

from thunderlike.compat.datadings.reader.augment import (
    Augment,
    Cycler,
    QuasiShuffler,
    Range,
    Repeater,
    Shuffler,
)
from thunderlike.compat.datadings.reader.directory import DirectoryReader
from thunderlike.compat.datadings.reader.list import ListReader
from thunderlike.compat.datadings.reader.msgpack import MsgpackReader
from thunderlike.compat.datadings.reader.reader import Reader
from thunderlike.compat.datadings.reader.sharded import ShardedReader
from thunderlike.compat.datadings.reader.zipfile import ZipFileReader

__all__ = [
    "Augment",
    "Cycler",
    "DirectoryReader",
    "ListReader",
    "MsgpackReader",
    "QuasiShuffler",
    "Range",
    "Reader",
    "Repeater",
    "ShardedReader",
    "Shuffler",
    "ZipFileReader",
]
