"""Labelled arrays of xarray: dimensions and coordinates for axes, labels and the index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from thunderlike._lazy import optional
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Axes", "NamedAxes", "checked", "dim_of", "toxarray"]


class Axes(Protocol):
    """Array of any library: shape and number of axes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def ndim(self) -> int:
        """Number of axes."""


class NamedAxes(Protocol):
    """Array whose axes have names, as those of a DataArray."""

    @property
    def dims(self) -> Sequence[str]:
        """Names of the axes."""


def toxarray(
    values: Axes,
    dims: Sequence[str],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
) -> Any:
    """Make a DataArray that is a view of the values.

    Parameters
    ----------
    values : ndarray or dask.array.Array
        Values with any number of axes.
    dims, coords, attrs
        Arguments of DataArray.

    Returns
    -------
    xarray.DataArray

    Raises
    ------
    SpecError
        If the number of dims differs from the number of axes.
    """
    if len(dims) != values.ndim:
        raise SpecError(f"dims {tuple(dims)} for {values.ndim} axes of shape {values.shape}")
    return _xarray().DataArray(values, coords=coords, dims=tuple(dims), attrs=dict(attrs))


def checked(array: object) -> Any:
    """Check for a DataArray, and return it.

    Raises
    ------
    SpecError
        If it is something else; the error for a Dataset names its arrays.
    """
    xarray: Any = _xarray()
    if isinstance(array, xarray.Dataset):
        names = ", ".join(map(repr, array.data_vars)) or "none"
        raise SpecError(f"a Dataset of several arrays: choose one, dataset[name] with {names}")
    if not isinstance(array, xarray.DataArray):
        raise SpecError(f"not a DataArray but {type(array).__name__}: fromarray takes arrays")
    return array


def dim_of(array: NamedAxes, dim: str | None, default: int) -> str:
    """Return the name of a dimension: `dim`, or the one at position `default`.

    Raises
    ------
    SpecError
        If there is no such dimension; the error names the existing ones.
    """
    if dim is not None and dim not in array.dims:
        known = ", ".join(map(repr, array.dims))
        raise SpecError(f"no dimension {dim!r}; the dimensions are {known}")
    return array.dims[default] if dim is None else dim


def _xarray() -> Any:
    return optional("xarray", extra="interop")
