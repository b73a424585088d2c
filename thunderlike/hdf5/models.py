"""Fitted models: dataclasses of numbers, text and arrays, saved as JSON or HDF5.

A file holds the name of the class, the version of its fields, and the fields. Only classes that
derive from :class:`Model` are instantiated, and nothing is unpickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from thunderlike import storage
from thunderlike.errors import FormatError, SpecError, ThunderlikeError, WrongTypeError
from thunderlike.hdf5.api import load, save

if TYPE_CHECKING:
    from thunderlike._typing import Array
    from thunderlike.storage import AnyPath

__all__ = ["Model", "from_json", "to_json"]

_HDF5 = (".h5", ".hdf5", ".hdf")
_KINDS = "biufU"  # dtypes of arrays whose elements JSON can write
_KEYS = {"model", "version", "fields"}  # of a model in a file
_MOST_BYTES = 2**28  # of arrays in a JSON file: text is three times as long

_CLASSES: dict[str, type[Model]] = {}


class Model:
    """Base of fitted models: a dataclass whose fields a file keeps.

    A field is None, a bool, a number, text, a numpy array, another model, or a list, tuple or
    dictionary of these. Raise `version` when fields change, and override `from_fields` to read the
    earlier ones. A class with other fields overrides `to_fields` as well.

    Attributes
    ----------
    version : int
        Version of the fields of a class, 1 by default.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, eq=False)
    ... class Line(Model):
    ...     slope: float
    ...     points: np.ndarray
    >>> Line(0.1, np.arange(3)).save("memory://line.json")
    >>> Line.load("memory://line.json").points
    array([0, 1, 2])
    """

    version: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        _CLASSES[cls.__name__] = cls

    def save(self, path: AnyPath) -> None:
        """Save the model as one file, replacing an earlier one.

        Parameters
        ----------
        path : str or PathLike
            With suffix ``.json``, as text from which floats are read back exactly; with ``.h5`` or
            ``.hdf5``, as HDF5, which is smaller and faster for large arrays.

        Raises
        ------
        SpecError
            For another suffix, and for a value that the format cannot keep.
        StorageError
            If the file cannot be written; the earlier one is unchanged.
        """
        if _suffix(path) == ".json":
            storage.write(path, json.dumps(to_json(_encoded(self)), allow_nan=False).encode())
        else:
            save(path, _encoded(self))

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Load a model of this class, or of one derived from it.

        Raises
        ------
        NotFoundError
            If there is no such file.
        FormatError
            If the file is damaged, holds a model of another class, or one of a later version.
        """
        content = _read_json(path) if _suffix(path) == ".json" else load(path)
        try:
            model = _decoded(content)
        except ThunderlikeError as error:
            raise FormatError(f"{path}: {error}") from error
        if not isinstance(model, cls):
            raise FormatError(
                f"{path}: holds {_described(model)}, not a {cls.__name__}: load it by its own class"
            )
        return model

    def __eq__(self, other: object) -> bool:
        """Compare the fields that are saved; NaN equals NaN."""
        if type(other) is not type(self):
            return NotImplemented
        return _same(self.to_fields(), other.to_fields())

    __hash__ = None  # type: ignore[assignment]  # a model compares by its arrays

    def to_fields(self) -> dict[str, Any]:
        """Return the fields that are saved; those of the constructor by default."""
        assert dataclasses.is_dataclass(self)
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    @classmethod
    def from_fields(cls, version: int, fields: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Return the model whose fields were saved under a version, the present one or earlier.

        By default ``cls(**fields)``.
        """
        return cls(**fields)


def _same(one: Any, other: Any) -> bool:
    """Compare fields: arrays with their dtypes, also sparse ones, at any depth."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        # Text is as wide as its longest entry.
        alike = one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "U"
        return alike and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    if type(one) is not type(other):
        return False
    if hasattr(one, "indptr"):  # whose indices may be of 32 or 64 bits
        return all(
            np.array_equal(getattr(one, part), getattr(other, part))
            for part in ("shape", "data", "indices", "indptr")
        )
    return bool(one == other)


def _suffix(path: AnyPath) -> str:
    """Return the suffix of a path to a model, in lower case."""
    name = storage.at(path).lower()
    for suffix in (".json", *_HDF5):
        if name.endswith(suffix):
            return suffix
    raise SpecError(f"{path}: the name of a model ends in .json, .h5 or .hdf5: give one of these")


def _described(value: object) -> str:
    return f"a model of class {type(value).__name__}" if isinstance(value, Model) else "no model"


def _encoded(value: Any) -> Any:
    """Replace models by dictionaries of their class, version and fields, at any depth."""
    if isinstance(value, Model):
        name, fields = type(value).__name__, value.to_fields()
        return {"model": name, "version": value.version, "fields": _encoded(fields)}
    if isinstance(value, dict):
        return {key: _encoded(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_encoded, value))
    return value


def _decoded(value: Any) -> Any:
    """Replace the dictionaries of models by the models, innermost first."""
    if type(value) in (list, tuple):
        return type(value)(map(_decoded, value))
    if not isinstance(value, dict):
        return value
    entries = {key: _decoded(entry) for key, entry in value.items()}
    if set(entries) != _KEYS:
        return entries
    name, version, fields = entries["model"], entries["version"], entries["fields"]
    found = _CLASSES.get(name) if isinstance(name, str) else None
    if found is None:
        raise FormatError(f"holds a model of the unknown class {name!r:.60}: update thunderlike")
    if not isinstance(version, int) or not 1 <= version <= found.version:
        raise FormatError(
            f"holds version {version!r:.60} of {name}, and this thunderlike reads versions 1 to "
            f"{found.version}: update thunderlike"
        )
    try:
        return found.from_fields(version, fields)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise FormatError(f"fields of {name} are missing or invalid: {error}") from error


def to_json(value: Any) -> Any:
    """Convert a value to what JSON has; others become dictionaries with one key, their kind.

    Raises
    ------
    WrongTypeError
        For values that :class:`Model` does not keep in JSON.

    Examples
    --------
    >>> to_json({"a": (1, 2.5)})
    {'dict': {'a': {'tuple': [1, 2.5]}}}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):
        return list(map(to_json, value))
    if isinstance(value, tuple):
        return {"tuple": list(map(to_json, value))}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: to_json(entry) for key, entry in value.items()}}
    if isinstance(value, np.ndarray):
        return {"array": _array_as_json(value)}
    raise WrongTypeError(
        f"a {type(value).__name__} cannot be saved as JSON: save the model as .h5, or leave it out"
    )


def _array_as_json(array: Array) -> dict[str, Any]:
    if array.dtype.kind not in _KINDS or array.dtype.name in ("longdouble", "float128"):
        raise WrongTypeError(
            f"arrays of {array.dtype} cannot be saved as JSON: give the suffix .h5"
        )
    if array.nbytes > _MOST_BYTES:
        raise SpecError(
            f"an array of {array.nbytes} bytes is too large for JSON (at most {_MOST_BYTES}): give "
            "the suffix .h5"
        )
    values = array.ravel().tolist()
    if array.dtype.kind == "f":  # JSON has no NaN and no infinity
        values = [value if math.isfinite(value) else repr(value) for value in values]
    return {"dtype": array.dtype.str.lstrip("<>=|"), "shape": array.shape, "values": values}


def from_json(value: Any) -> Any:
    """Reverse :func:`to_json`.

    Raises
    ------
    ValueError, TypeError, LookupError
        For other content.

    Examples
    --------
    >>> from_json({"dict": {"a": {"tuple": [1, 2.5]}}})
    {'a': (1, 2.5)}
    """
    if isinstance(value, list):
        return list(map(from_json, value))
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "dict":
        return {key: from_json(entry) for key, entry in content.items()}
    if kind == "tuple":
        return tuple(map(from_json, content))
    if kind == "float":
        return float(content)
    if kind != "array":
        raise ValueError(f"unknown kind {kind!r:.60}")
    dtype = np.dtype(content["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype}")
    return np.array(content["values"], dtype).reshape(content["shape"])


def _read_json(path: AnyPath) -> Any:
    try:
        return from_json(json.loads(storage.read(path)))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path}: is not the JSON of a model: {error}") from error
