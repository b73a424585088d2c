"""Any Python structure in one HDF5 file that other programs open, and back; deepdish's format.

``tl.save`` and ``tl.load`` are the functions that most users need. Files are read and written with
h5py, which never unpickles. `_codec` is the contract of the modules that encode and decode values.
"""

from __future__ import annotations

from thunderlike._lazy import attributes as _lazy_attributes

__all__ = ["Compression", "ForcePickle", "append", "aslice", "load", "ls", "save"]

# h5py is imported when the first of these names is used.
__getattr__ = _lazy_attributes(
    __name__,
    {
        "Compression": "thunderlike.hdf5._pickles:Compression",
        "ForcePickle": "thunderlike.hdf5._pickles:ForcePickle",
        "aslice": "thunderlike.util.arrays:aslice",
        **{name: f"thunderlike.hdf5.api:{name}" for name in ("append", "load", "ls", "save")},
    },
)
