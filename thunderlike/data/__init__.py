"""Images, series and blocks: collections of records with keys on an engine.

The classes call the contract of engines and are independent of any particular engine.

Methods of all three classes are in :mod:`~thunderlike.data.base`, those of images and series in
:mod:`~thunderlike.data.collection` (values, selection, mapping) and
:mod:`~thunderlike.data.array_collection` (arithmetic, statistics, conversion, files), and those of
one class in the module of that class.
"""

from __future__ import annotations

from thunderlike.data.blocks import Blocks
from thunderlike.data.images import Images
from thunderlike.data.series import Series

__all__ = ["Blocks", "Images", "Series"]
