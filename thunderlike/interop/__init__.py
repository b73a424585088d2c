"""Other people's containers, one module for each library: dask, xarray, torch, napari, NWB.

Each imports its library when it is called, and knows collections only by their shape, dtype and
values. What is in this process is shared with the library, not copied; what is on an engine is
fetched when the library asks for it.
"""

from __future__ import annotations
