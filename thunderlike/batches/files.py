"""Components from memory and files, and back: labels and axes are kept by every format.

==========  =============================  ======================================================
``fmt``     what is written                note
==========  =============================  ======================================================
``None``    into an array, at the labels   one component; reading cuts by the labels
``csv``     a table, a row for each item   numbers and text only, read as 64 bits; axes of a
                                           component are columns ``name_0_1``
``feather`` the same, as Arrow             needs pyarrow
``hdf5``    a group with an array for      with ``layout='items'`` a group for each item
            each component
``npz``     an array for each component
``msgpack`` a dataset of ``tl.datasets``   a sample for each item, its key the label
``zarr``    an array for each component    of this machine only; needs zarr
``blosc``   a folder with a file for each  numpy's format within blosc2, never pickled;
            item                           its name is the label
==========  =============================  ======================================================

A file appears whole or not at all. Nothing is unpickled on the way in.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._lazy import optional
from thunderlike.batches import tables
from thunderlike.batches.assembling import assembled
from thunderlike.batches.cropping import cropped
from thunderlike.batches.index import FilesIndex
from thunderlike.batches.items import named
from thunderlike.batches.tables import LABELS, Table
from thunderlike.data.arrayfiles import Folder
from thunderlike.errors import BadIndex, SpecError
from thunderlike.formats.base import damage

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.batches.batch import Batch

__all__ = ["FORMATS", "dump", "load"]


def load(batch: Batch, src: Any, fmt: str | None, dst: Any, **options: Any) -> Batch:
    """Fill components of a batch.

    Parameters
    ----------
    src
        A path; without `fmt` an array, dict, tuple or frame, cut by the labels of the batch.
    fmt : str, optional
        One of the table above.
    dst : str or sequence of str, optional
        Components, made if they are missing. A single name takes the whole of what is in memory.

    Raises
    ------
    SpecError
        For an unknown format.
    BadIndex
        For items that `src` does not have.
    """
    if src is None and fmt is None:
        batch._load()
        return batch
    if fmt is None:
        found = cropped(src, batch._places())
    else:
        labels, arrays = _read(src, fmt, batch, options)
        found = cropped(arrays, _rows(labels, batch.indices, src))
    return _into(batch, found, dst, in_memory=fmt is None)


def dump(batch: Batch, dst: Any, fmt: str | None, components: Any, **options: Any) -> Batch:
    """Write components of a batch.

    Parameters
    ----------
    dst
        A path, a folder for ``blosc``; without `fmt` an array, whose entries at the labels are set.
    fmt : str, optional
        One of the table above.
    components : str or sequence of str, optional
        Which; all by default.

    Raises
    ------
    SpecError
        For an unknown format, or several components into one array.
    """
    batch._load()
    names = _names(batch, components)
    arrays = {name: getattr(batch, name) for name in names} if names else {"data": batch.data}
    if fmt is None:
        if len(arrays) != 1:
            raise SpecError(f"one array takes one component, not {', '.join(arrays)}: say which")
        dst[batch._places()] = next(iter(arrays.values()))
        return batch
    _format(fmt)[1](dst, batch.indices, arrays, **options)
    return batch


def _names(batch: Batch, components: Any) -> tuple[str, ...]:
    if components is None:
        return batch.components or ()
    return (components,) if isinstance(components, str) else tuple(components)


def _read(src: Any, fmt: str, batch: Batch, options: dict[str, Any]) -> Table:
    read = _format(fmt)[0]
    with damage(fmt, str(src)):
        return read(src, batch, **options)


def _into(batch: Batch, found: Any, dst: Any, *, in_memory: bool) -> Batch:
    if isinstance(dst, str):
        single = found if in_memory or len(found) > 1 else next(iter(found.values()))
        found = {dst: found[dst] if isinstance(single, dict) and dst in single else single}
    elif dst is not None:
        found = dict(zip(dst, found, strict=True)) if isinstance(found, tuple) else found
        found = {name: _column(found, name) for name in dst}
    elif batch.components is None and not isinstance(found, dict):
        batch.data = found
        return batch
    elif not isinstance(found, dict):
        found = named(found, batch.components or ())
    for name, values in found.items():
        if name in (batch.components or ()):
            setattr(batch, name, values)
        else:
            batch.add_components(name, values)
    return batch


def _column(found: Any, name: str) -> Any:
    return found[name].to_numpy() if hasattr(found, "columns") else found[name]


def _rows(labels: Any, wanted: Any, src: Any) -> Any:
    """Rows of a file at which the labels of a batch are."""
    known = {label: row for row, label in enumerate(np.asarray(labels).tolist())}
    missing = [label for label in wanted.tolist() if label not in known]
    if missing:
        raise BadIndex(f"{src}: has no item labelled {missing[0]!r}, of {len(known)}")
    return np.array([known[label] for label in wanted.tolist()], dtype=np.intp)


def _format(fmt: str) -> tuple[Callable[..., Table], Callable[..., None]]:
    if fmt not in FORMATS:
        raise SpecError(f"fmt is None or one of {', '.join(FORMATS)}, not {fmt!r}")
    return FORMATS[fmt]


# ---- files of arrays


def _read_npz(src: Any, _batch: Batch) -> Table:
    return _from_npz(storage.read(src))


def _write_npz(dst: Any, labels: Any, arrays: dict[str, Any]) -> None:
    storage.write(dst, _as_npz({LABELS: labels, **arrays}))


def _as_npz(arrays: dict[str, Any]) -> bytes:
    whole = {name: np.asarray(values) for name, values in arrays.items()}
    for name, array in whole.items():
        if array.dtype == object:
            raise SpecError(f"component {name!r} is ragged: msgpack or hdf5 by items can keep it")
    stream = io.BytesIO()
    np.savez(stream, **whole)  # type: ignore[arg-type]
    return stream.getvalue()


def _from_npz(data: bytes) -> Table:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays.pop(LABELS), arrays


def _read_hdf5(src: Any, _batch: Batch) -> Table:
    from thunderlike import hdf5

    found = hdf5.load(src)
    if "items" in found:
        items = [found["items"][f"item{k}"] for k in range(len(found[LABELS]))]
        names = list(items[0])
        return found[LABELS], {name: assembled([item[name] for item in items]) for name in names}
    return found[LABELS], found["components"]


def _write_hdf5(dst: Any, labels: Any, arrays: dict[str, Any], *, layout: str = "columns") -> None:
    from thunderlike import hdf5

    if layout not in ("columns", "items"):
        raise SpecError(f"layout is 'columns' or 'items', not {layout!r}")
    if layout == "columns":
        hdf5.save(dst, {LABELS: labels, "components": arrays})
        return
    rows = range(len(labels))
    items = {f"item{k}": {name: values[k] for name, values in arrays.items()} for k in rows}
    hdf5.save(dst, {LABELS: labels, "items": items})


def _read_msgpack(src: Any, batch: Batch) -> Table:
    from thunderlike.datasets import MsgpackReader

    with MsgpackReader(src) as reader:
        labels = [str(label) for label in batch.indices]
        missing = [label for label in labels if label not in reader]
        if missing:
            raise BadIndex(f"{src}: has no sample of key {missing[0]!r}, of {len(reader)}")
        samples = reader.get_many([reader.find_index(label) for label in labels])
    names = [name for name in samples[0] if name != "key"]
    return batch.indices, {name: assembled([s[name] for s in samples]) for name in names}


def _write_msgpack(dst: Any, labels: Any, arrays: dict[str, Any], **options: Any) -> None:
    from thunderlike.datasets import FileWriter

    with FileWriter(dst, **options) as writer:
        for row, label in enumerate(labels):
            sample = {name: values[row] for name, values in arrays.items()}
            writer.write({"key": str(label), **sample})


def _read_zarr(src: Any, _batch: Batch) -> Table:
    from thunderlike.formats.zarrstore import FilesStore

    zarr = optional("zarr", "zarr")
    group = zarr.open_group(FilesStore(Folder(storage.at(src))), mode="r")
    told = dict(group.attrs)
    return np.array(told[LABELS]), {name: np.asarray(group[name]) for name in told["components"]}


def _write_zarr(dst: Any, labels: Any, arrays: dict[str, Any], *, overwrite: bool = False) -> None:
    zarr = optional("zarr", "zarr")
    with storage.output(dst, ["**"], overwrite=overwrite) as folder:
        group = zarr.open_group(folder, mode="w")
        group.attrs.update({LABELS: labels.tolist(), "components": list(arrays)})
        for name, values in arrays.items():
            group.create_array(name, data=np.asarray(values))


# ---- a file for each item


def _read_blosc(src: Any, batch: Batch) -> Table:
    blosc2 = optional("blosc2", "batches")
    index = batch.index
    paths = (
        [index.get_fullpath(label) for label in index]
        if src is None and isinstance(index, FilesIndex)
        else [storage.within(src, f"{label}.blosc") for label in batch.indices]
    )
    found = []
    for path in paths:
        with damage("blosc", path):
            found.append(_from_npz(blosc2.decompress2(storage.read(path)))[1])
    return batch.indices, {
        name: assembled([_alone(one[name]) for one in found]) for name in found[0]
    }


def _alone(value: Any) -> Any:
    return value if value.ndim else value[()]


def _write_blosc(dst: Any, labels: Any, arrays: dict[str, Any]) -> None:
    blosc2 = optional("blosc2", "batches")
    for row, label in enumerate(labels):
        item = {name: values[row] for name, values in arrays.items()}
        data = _as_npz({LABELS: np.array([label]), **item})
        storage.write(storage.within(dst, f"{label}.blosc"), blosc2.compress2(data))


FORMATS: dict[str, tuple[Callable[..., Table], Callable[..., None]]] = {
    "csv": (tables.read_csv, tables.write_csv),
    "feather": (tables.read_feather, tables.write_feather),
    "hdf5": (_read_hdf5, _write_hdf5),
    "npz": (_read_npz, _write_npz),
    "msgpack": (_read_msgpack, _write_msgpack),
    "zarr": (_read_zarr, _write_zarr),
    "blosc": (_read_blosc, _write_blosc),
}
