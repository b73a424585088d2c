"""Conversion to and from other libraries, one module each: dask, xarray, torch, napari.

Each module imports its library on use, and takes values with a shape and a dtype. Local values are
shared with the library, not copied; values on an engine are fetched when the library asks for
them.
"""

from __future__ import annotations
