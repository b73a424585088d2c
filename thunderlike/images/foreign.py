"""Images from the arrays of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.data.images import Images
from thunderlike.engines import engine_for
from thunderlike.images.construct import fromarray
from thunderlike.interop import dask, xarray

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fromdask", "fromxarray"]


def fromdask(
    array: Any,
    labels: Sequence[Any] | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Images:
    """Make images from a dask array, whose first axis counts them.

    Parameters
    ----------
    array : dask.array.Array
        Of shape ``(n, height, width)`` or ``(n, depth, height, width)``; a single image too.
    labels, npartitions, engine
        As in :func:`fromarray`.

    Raises
    ------
    SpecError
        For what is no dask array, has chunks of unknown size, or one axis.
    MissingExtra
        Without dask.

    Notes
    -----
    Locally it is computed now, several chunks at a time. On Spark each task gets its part of the
    graph and computes it when it is needed, so that dask and what the graph uses must be there.

    Examples
    --------
    >>> import dask.array
    >>> fromdask(dask.array.ones((6, 4, 5), chunks=2)).shape
    (6, 4, 5)
    """
    source = dask.image_source(array)
    return Images(engine_for(engine).load(source, npartitions), labels=labels)


def fromxarray(
    array: Any,
    dim: str | None = None,
    npartitions: int | None = None,
    engine: Any = None,
) -> Images:
    """Make images from a DataArray of xarray.

    Parameters
    ----------
    array : xarray.DataArray
        One array of a Dataset: ``dataset["movie"]``.
    dim : str, optional
        The dimension that counts the images; by default the first.
    npartitions, engine
        As in :func:`fromarray`.

    Returns
    -------
    Images
        Labelled by the coordinate ``label``, if it has one; its `attrs` are those of the array.

    Raises
    ------
    SpecError
        For anything else, and for a dimension that there is not.

    Notes
    -----
    A numpy array is shared and not copied; a dask array is read as by :func:`fromdask`. Open files
    with ``xarray.open_dataset(path, chunks={})`` so that they are read in parts.

    Examples
    --------
    >>> import numpy as np, xarray
    >>> maps = xarray.DataArray(np.zeros((4, 6, 12)), dims=["lat", "lon", "month"])
    >>> fromxarray(maps, dim="month").shape
    (12, 4, 6)
    """
    first = xarray.dim_of(xarray.checked(array), dim, 0)
    turned = array.transpose(first, ...)
    label = array.coords.get("label")
    labels = None if label is None or label.dims != (first,) else label.values
    make = fromdask if turned.chunks else fromarray
    made = make(turned.data, labels, npartitions, engine)
    made.attrs = dict(array.attrs)
    return made
