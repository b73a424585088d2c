"""Any Python structure in one HDF5 file that others can open, and back; deepdish's format.

``tl.save`` and ``tl.load`` are the two that most people need. The file is read and written with
h5py, which never unpickles; `_codec` is the contract of the modules that encode and decode values.
"""

from __future__ import annotations

from thunderlike.hdf5._pickles import Compression, ForcePickle
from thunderlike.hdf5.api import append, aslice, load, ls, save

__all__ = ["Compression", "ForcePickle", "append", "aslice", "load", "ls", "save"]
