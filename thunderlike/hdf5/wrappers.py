"""What a caller wraps a value in to say how it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Compression", "ForcePickle"]


@dataclass(frozen=True, eq=False)
class ForcePickle:
    """Pickle this value: `load` gives it back with ``pickle='allow'`` only.

    Examples
    --------
    >>> import thunderlike as tl
    >>> tl.save("memory://forced.h5", {"f": tl.hdf5.ForcePickle(abs)})
    >>> tl.load("memory://forced.h5", "/f", pickle="allow")
    <built-in function abs>
    """

    obj: Any


@dataclass(frozen=True, eq=False)
class Compression:
    """Compress the arrays of this value in their own way, as the argument of `save` would.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> plain = tl.hdf5.Compression(np.zeros(1000), None)
    >>> tl.save("memory://own.h5", {"plain": plain, "packed": np.zeros(1000)})
    >>> print(tl.hdf5.ls("memory://own.h5").text(compression=True))
    /packed            array (1000,) [float64] zlib lvl1
    /plain             array (1000,) [float64] none
    """

    obj: Any
    compression: Any = "default"
