"""Arrays of an HDF5 file may have their values in any other file: those are not read."""

from __future__ import annotations

from typing import Any

from thunderlike.errors import Refused

__all__ = ["check_inside"]


def check_inside(dataset: Any) -> Any:
    """Return how an array is laid out, None for one that is a single piece of this file.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
        The array, opened; nothing of it is read.

    Raises
    ------
    Refused
        When its values are in other files.

    Examples
    --------
    >>> import io, h5py
    >>> with h5py.File(io.BytesIO(), "w") as file:
    ...     packed = file.create_dataset("x", data=range(10), chunks=(5,))
    ...     check_inside(packed.id).get_chunk()
    (5,)
    """
    from h5py import h5d

    if dataset.get_offset() is not None:
        return None  # HDF5 has it only of such: not of chunks, nor of what is elsewhere
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise Refused("is a virtual dataset, which reads other files")
    if plist.get_external_count():
        raise Refused("has its values in another file, which could be any file of this machine")
    return plist
