"""Identity of images and of parameters, by which results of an earlier run are known."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import platform
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from thunderlike.engines.base import Kernel
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.data.images import Images

__all__ = ["Checksum", "checksum", "described", "hashed", "versions"]

_LIBRARIES = ("thunderlike", "numpy", "scipy")  # whose versions may change results


def versions() -> dict[str, str]:
    """Return the versions that results may depend on, by the name of the library.

    Examples
    --------
    >>> list(versions())
    ['python', 'thunderlike', 'numpy', 'scipy']
    """
    found = {"python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def described(value: Any) -> Any:
    """Describe a parameter by values that JSON has: equal descriptions mean equal parameters.

    Parameters
    ----------
    value : object
        None, a bool, a number, text, an array, a sparse array, a slice, a mapping, a list or tuple
        of these, an algorithm with ``get_params``, or a dataclass, such as a model.

    Raises
    ------
    SpecError
        For another object, whose changes cannot be seen.

    Examples
    --------
    >>> described({"window": 60, "knots": np.arange(3)})
    {'window': 60, 'knots': 'int64 (3,) sha256:ab25350e'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {str(key): described(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [described(entry) for entry in value]
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop}, {value.step})"
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufcU":
        digest = hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()
        return f"{value.dtype} {value.shape} sha256:{digest[:8]}"
    name = type(value).__name__
    if hasattr(value, "indptr"):  # a sparse array
        parts = {part: getattr(value, part) for part in ("data", "indices", "indptr")}
        return {name: [list(value.shape), described(parts)]}
    if hasattr(value, "get_params"):
        return {name: described(value.get_params())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return {name: described(fields)}
    raise SpecError(
        f"a change of {value!r:.60} between two runs could not be seen: give numbers, text, "
        "arrays, or an algorithm of this package"
    )


def hashed(value: Any) -> str:
    """Return the SHA-256 of a description.

    Examples
    --------
    >>> hashed({"a": 1, "b": 2}) == hashed({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checksum(Kernel):
    """Kernel of the CRC-32 of each record."""

    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Return the checksums of a block, of shape ``(k, 1)``."""
        sums = [zlib.crc32(np.ascontiguousarray(one).data) for one in block]
        return np.array(sums, np.uint32).reshape(-1, 1)


def checksum(images: Images) -> str:
    """Return a digest of all pixels: one pass over the images.

    Examples
    --------
    >>> import thunderlike as tl
    >>> checksum(tl.images.fromarray(np.zeros((2, 4, 4))))[:8]
    'f52a5a70'
    """
    sums = images._records.map(Checksum(), (1,), np.dtype(np.uint32)).collect()
    facts = f"{images.shape} {images.dtype.newbyteorder('=')} ".encode()
    return hashlib.sha256(facts + np.ascontiguousarray(sums, "<u4").tobytes()).hexdigest()
