"""JSON files of models of cells, with the keys of thunder-extraction."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from thunderlike import storage
from thunderlike.errors import FormatError, ThunderlikeError
from thunderlike.extraction.regions import Regions
from thunderlike.hdf5.models import from_json, to_json

if TYPE_CHECKING:
    from thunderlike.extraction.model import ExtractionModel
    from thunderlike.storage import AnyPath

__all__ = ["is_json", "read", "write"]

_FORMAT, _VERSION = "thunderlike.extraction", 1
_DICTIONARIES = ("quality", "attrs", "parameters")


def is_json(path: AnyPath) -> bool:
    """Check whether the name of a file is that of a JSON file.

    Examples
    --------
    >>> is_json("cells.JSON"), is_json("cells.h5")
    (True, False)
    """
    return storage.at(path).lower().endswith(".json")


def write(path: AnyPath, model: ExtractionModel) -> None:
    """Write a model: ``regions``, a list of ``coordinates``, as thunder-extraction reads them.

    Further keys are ``format``, ``version``, ``shape``, ``inferred``, ``weights`` (a list a
    region), ``accepted``, ``quality``, ``attrs`` and ``parameters``.
    """
    # 9 digits give the same float32 again.
    digits = [float(f"{value:.9g}") for value in model.weights.data.tolist()]
    ends = model.weights.indptr.tolist()
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "shape": list(model.shape),
        "inferred": model.inferred,
        "regions": [{"coordinates": one.tolist()} for one in model.regions.coordinates],
        "weights": [digits[a:b] for a, b in itertools.pairwise(ends)],
        "accepted": model.accepted.tolist(),
    }
    content |= {name: to_json(getattr(model, name)) for name in _DICTIONARIES}
    storage.write(path, json.dumps(content, allow_nan=False).encode())


def read(path: AnyPath) -> dict[str, Any]:
    """Read the arguments of a model, also from a file of thunder-extraction.

    Raises
    ------
    FormatError
        For other content, and a later version.
    """
    data = storage.read(path)
    try:
        content = json.loads(data)
        regions = [entry["coordinates"] for entry in content["regions"]]
        if "format" not in content:
            return {"weights": Regions(regions)}
        return _arguments(content, regions)
    except ThunderlikeError as error:
        raise FormatError(f"{path}: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path}: is not the JSON of a model of cells: {error}") from error


def _arguments(content: dict[str, Any], regions: list[Any]) -> dict[str, Any]:
    if content["format"] != _FORMAT:
        raise FormatError(f"its format is {content['format']!r:.60}, not {_FORMAT!r}")
    version = content["version"]
    if not isinstance(version, int) or not 1 <= version <= _VERSION:
        raise FormatError(
            f"has version {version!r:.60}, and this thunderlike reads versions 1 to {_VERSION}: "
            "update thunderlike"
        )
    shape = tuple(content["shape"])
    given = {name: from_json(content[name]) for name in _DICTIONARIES}
    given |= {"accepted": np.array(content["accepted"], bool), "inferred": content["inferred"]}
    return given | {"weights": _weights(regions, content["weights"], shape), "shape": shape}


def _weights(regions: list[Any], weights: list[list[float]], shape: tuple[int, ...]) -> csr_array:
    """Return the weights of pixels, a list of them for each region."""
    lengths = [len(one) for one in regions]
    if lengths != [len(one) for one in weights]:
        raise ValueError("regions and weights have unequal lengths")
    size = int(np.prod(shape, dtype=object))
    if not regions:
        return csr_array((0, size), dtype=np.float32)
    every = np.concatenate([np.reshape(one, (-1, len(shape))) for one in regions])
    indices = np.ravel_multi_index(tuple(every.astype(np.int64, casting="same_kind").T), shape)
    data = np.concatenate([np.array(one, np.float32) for one in weights])
    parts = (data, indices, np.concatenate([[0], np.cumsum(lengths)]))
    return csr_array(parts, shape=(len(regions), size))
