"""Models of cells in the folders of suite2p."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from thunderlike import storage
from thunderlike.data.file_sources import naming
from thunderlike.data.series import Series
from thunderlike.errors import FormatError, SpecError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.formats import npy, suite2p
from thunderlike.kernels._validation import as_array, as_shape, checked_arguments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["fromsuite2p", "tosuite2p"]

# Names of traces in suite2p, by those of `thunderlike.traces.Traces`.
_TRACES = {"F": "F.npy", "neuropil": "Fneu.npy", "spikes": "spks.npy"}
_PIXELS = ("roi", "ypix", "xpix", "lam")
_OURS = ["*.npy"]


@checked_arguments
def fromsuite2p(
    path: AnyPath, shape: tuple[int, int] | None = None, credentials: AnyCredentials = None
) -> ExtractionModel:
    """Read the cells of a plane of suite2p: ``stat.npy`` and ``iscell.npy``.

    Parameters
    ----------
    path : path
        The folder of a plane, ``suite2p/plane0``, also one that :meth:`ExtractionModel.tosuite2p`
        wrote.
    shape : (int, int), optional
        ``(Ly, Lx)``; by default that of ``ops.npy`` in the folder.
    credentials : mapping, optional
        As of ``tl.images.fromsuite2p``.

    Returns
    -------
    ExtractionModel
        Weights are ``lam``; pixels without positive weight are left out. `quality` has the numbers
        that ``stat.npy`` states of every cell, and ``probability``; `accepted` is ``iscell``.

    Raises
    ------
    NotFoundError
        When there are no masks.
    SpecError
        When the shape is not known.
    RefusedError
        When ``stat.npy``, a pickle, asks for anything but plain values and numpy's arrays.
    FormatError
        For damaged files, and cells outside of the image.

    Notes
    -----
    Nothing is unpickled by numpy: only arrays, numbers, text and their containers are rebuilt.
    ``F.npy``, ``Fneu.npy`` and ``spks.npy`` are plain arrays: ``tl.series.fromnpy`` reads them.

    Examples
    --------
    >>> model = ExtractionModel([[[0, 1], [0, 2]]], (8, 8))
    >>> model.tosuite2p("memory://plane0")
    >>> fromsuite2p("memory://plane0").regions == model.regions
    True
    >>> storage.delete("memory://plane0")
    """
    folder = storage.at(path, credentials)
    stated = _stated(folder)
    if shape is None and {"Ly", "Lx"} <= stated.keys():
        shape = int(stated["Ly"]), int(stated["Lx"])
    stat = storage.join(folder, "stat.npy")
    plain = storage.join(folder, "roi.npy")
    source = plain if storage.exists(plain) and not storage.exists(stat) else stat
    with naming(source):
        if source == plain:
            found, shape = _plain(folder, shape)
        else:
            found = suite2p.rois(storage.read(stat))
        if shape is None:
            raise SpecError("without ops.npy the shape is not known: give shape=(Ly, Lx)")
        return _model(folder, found, as_shape(shape, "shape"), stated)


def _model(
    folder: str, found: suite2p.Rois, shape: tuple[int, ...], stated: dict[str, float]
) -> ExtractionModel:
    pixels = np.stack([found.rows, found.columns], axis=1)
    outside = ((pixels < 0) | (pixels >= shape)).any(axis=1)
    count = len(found.ends)
    if outside.any():
        number = int(np.searchsorted(found.ends, np.argmax(outside), side="right"))
        raise FormatError(f"mask {number} has pixels outside of images of shape {shape}")
    flat = np.ravel_multi_index((found.rows, found.columns), shape)
    parts = (found.weights, flat, np.concatenate([[0], found.ends]))
    quality, accepted = dict(found.measures), None
    flags = storage.join(folder, "iscell.npy")
    if storage.exists(flags):
        table = _array(flags)
        if table.shape != (count, 2):
            raise FormatError(f"iscell.npy has shape {table.shape}, not ({count}, 2)")
        accepted = table[:, 0] > 0
        quality["probability"] = table[:, 1]
    attrs = {"fs": stated["fs"]} if stated.get("fs") else {}
    weights = csr_array(parts, shape=(count, math.prod(shape)))
    return ExtractionModel(weights, shape, quality=quality, accepted=accepted, attrs=attrs)


def _stated(folder: str) -> dict[str, float]:
    """Return the sizes and the rate in ops.npy, nothing without such a file."""
    ops = storage.join(folder, "ops.npy")
    if not storage.exists(ops):
        return {}
    with naming(ops):
        return suite2p.sizes(storage.read(ops))


def _array(path: str) -> NDArray[Any]:
    with naming(path):
        return npy.decode(storage.read(path))


def _plain(
    folder: str, shape: tuple[int, int] | None
) -> tuple[suite2p.Rois, tuple[int, int] | None]:
    """Return the masks in arrays of numbers, as `tosuite2p` writes them, and their shape."""
    number, rows, columns, weights = (
        _array(storage.join(folder, f"{name}.npy")) for name in _PIXELS
    )
    size = _array(storage.join(folder, "shape.npy"))
    whole = [one.dtype.kind in "iu" and one.ndim == 1 for one in (number, rows, columns, size)]
    lengths = {len(one) for one in (number, rows, columns, weights)}
    ordered = all(whole) and (np.diff(number.astype(np.int64), prepend=0) >= 0).all()
    if not ordered or len(lengths) > 1 or size.shape != (2,) or weights.ndim != 1:
        raise FormatError("roi, ypix, xpix, lam and shape do not fit to each other")
    count = len(_array(storage.join(folder, "iscell.npy")))
    if len(number) and number[-1] >= count:
        raise FormatError(f"has a mask {number[-1]}, and iscell.npy has {count} rows")
    ends = np.searchsorted(number, np.arange(count), side="right")
    found = suite2p.Rois(
        rows.astype(np.int64), columns.astype(np.int64), weights.astype(np.float64), ends, {}
    )
    return found, shape or (int(size[0]), int(size[1]))


def tosuite2p(
    model: ExtractionModel,
    path: AnyPath,
    *,
    traces: Any = None,
    pickle: str = "refuse",
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> None:
    """Write a folder like that of a plane of suite2p; see :meth:`ExtractionModel.tosuite2p`."""
    if pickle not in ("refuse", "allow"):
        raise SpecError(f"pickle is 'refuse' or 'allow', not {pickle!r:.60}")
    if len(model.shape) != 2:
        raise SpecError(f"cells of shape {model.shape}: suite2p has planes, of 2 axes")
    contents = {name: npy.encode(array) for name, array in _arrays(model).items()}
    contents |= {name: npy.encode(array) for name, array in _traces(model, traces).items()}
    if pickle == "allow":
        contents |= _pickled(model)
    with storage.output(path, _OURS, overwrite=overwrite, credentials=credentials) as folder:
        for name, content in contents.items():
            storage.write(storage.join(folder, name), content)


def _arrays(model: ExtractionModel) -> dict[str, NDArray[Any]]:
    """Return the masks as arrays of numbers."""
    rows, columns = model._coordinates.T.astype(np.int32)
    chance = model.quality.get("probability", model.accepted)
    if chance.dtype.kind not in "biuf":
        chance = model.accepted
    return {
        "roi.npy": model._rows.astype(np.int32),
        "ypix.npy": rows,
        "xpix.npy": columns,
        "lam.npy": model.weights.data,
        "shape.npy": np.array(model.shape, np.int32),
        "iscell.npy": np.stack([model.accepted, chance], axis=1).astype(np.float64),
    }


def _traces(model: ExtractionModel, traces: Any) -> dict[str, NDArray[Any]]:
    """Return the traces that suite2p has, float32 of shape (K, T)."""
    found = {}
    for name, file in _TRACES.items():
        keyed = hasattr(traces, "keys")
        values = traces.get(name) if keyed else getattr(traces, name, None)
        if values is None:
            continue
        whole = isinstance(values, Series)
        data = values.toarray(squeeze=False) if whole else as_array(values, f"traces {name!r}")
        if data.ndim != 2 or len(data) != model.count:
            raise SpecError(
                f"traces {name!r} have shape {data.shape}, and there are {model.count} cells: give "
                f"({model.count}, T)"
            )
        found[file] = data.astype(np.float32)
    return found


def _pickled(model: ExtractionModel) -> dict[str, bytes]:
    """Return ``stat.npy`` and ``ops.npy``, which are arrays of objects."""
    times = np.bincount(model.weights.indices, minlength=1)
    stat = np.empty(model.count, object)
    for number, pixels in enumerate(model.regions.coordinates):
        part = slice(*model.weights.indptr[number : number + 2])
        rows, columns = pixels.T.astype(np.int32)
        measures = {
            name: values[number].item()
            for name, values in model.quality.items()
            if values.dtype.kind in "biuf"
        }
        stat[number] = measures | {
            "ypix": rows,
            "xpix": columns,
            "lam": model.weights.data[part],
            "med": [int(np.median(rows)), int(np.median(columns))],
            "npix": len(pixels),
            "radius": math.sqrt(len(pixels) / math.pi),
            "overlap": times[model.weights.indices[part]] > 1,
        }
    ops = {"Ly": model.shape[0], "Lx": model.shape[1], "fs": float(model.attrs.get("fs") or 0)}
    return {"stat.npy": _saved(stat), "ops.npy": _saved(np.array(ops, object))}


def _saved(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()
