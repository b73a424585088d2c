"""``deepdish.io``: HDF5 files; everything of :mod:`thunderlike.hdf5`."""

from __future__ import annotations

from thunderlike.hdf5 import Compression, ForcePickle, append, aslice, load, ls, save

__all__ = ["Compression", "ForcePickle", "append", "aslice", "load", "ls", "save"]
