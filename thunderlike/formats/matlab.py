"""Variables in the files that MATLAB saves, up to its version 7."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError
from thunderlike.formats.base import said

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["variable"]


def variable(data: bytes, name: str) -> NDArray[Any]:
    """One variable of a file.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What MATLAB called it.

    Returns
    -------
    ndarray
        Without axes of length 1, which MATLAB gives to every vector.

    Raises
    ------
    FormatError
        When there is no such variable, or the bytes are no such file.

    Examples
    --------
    >>> import io
    >>> from scipy.io import savemat
    >>> file = io.BytesIO()
    >>> savemat(file, {"s": [[1.0, 2.0, 3.0]]})
    >>> variable(file.getvalue(), "s")
    array([1., 2., 3.])
    """
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(data), squeeze_me=True)
    except Exception as error:  # scipy raises a dozen kinds at bytes that mean nothing to it
        raise FormatError(
            f"is no MATLAB file that can be read: {said(error)}; save it with -v7, or as text"
        ) from error
    if name not in found:
        names = ", ".join(key for key in found if not key.startswith("__")) or "nothing"
        raise FormatError(f"holds no variable {name!r}, but {names}: say which with var=")
    return np.asarray(found[name])
