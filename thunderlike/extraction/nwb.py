"""Models of cells in NWB files, with their traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from thunderlike import storage
from thunderlike.data.file_sources import naming
from thunderlike.data.series import Series
from thunderlike.errors import FormatError, SpecError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.formats import hdf5, nwb, nwb_cells
from thunderlike.formats.metadata import boundary
from thunderlike.hdf5.models import from_json, to_json
from thunderlike.kernels._validation import as_array, as_shape, checked_arguments
from thunderlike.storage._open import open_file
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import ArrayLike, NDArray

    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["fromnwb", "tonwb"]

# Traces by their names in `thunderlike.traces.Traces`.
_CONTAINERS = {"dff": "DfOverF", "spikes": "Deconvolved"}
_DESCRIPTIONS = {
    "F": "mean of the pixels of a cell, weighted",
    "neuropil": "mean of the surroundings of a cell",
    "corrected": "fluorescence less neuropil, overlapping cells separated",
    "dff": "change of fluorescence relative to the baseline",
    "spikes": "deconvolved activity",
}


@checked_arguments
def fromnwb(
    path: AnyPath,
    name: str | None = None,
    shape: Sequence[int] | None = None,
    order: str = "auto",
    credentials: AnyCredentials = None,
) -> ExtractionModel:
    """Read the cells of an NWB file: a PlaneSegmentation.

    Parameters
    ----------
    path : path
    name : str, optional
        Path or name of the PlaneSegmentation; by default the only one.
    shape : tuple of int, optional
        Of the image. By default of a movie of the same imaging plane, or the smallest that holds
        the cells; the model then applies to larger images also.
    order : {'auto', 'yx', 'xy'}
        Axes of masks that are images: 'yx' as Python writes them, 'xy' as MatNWB does. 'auto'
        compares them with the shape of the image, which does not help if it is square.
    credentials : mapping, optional
        As of ``tl.images.fromnwb``.

    Returns
    -------
    ExtractionModel
        Columns of one number, truth value or text for each cell are `quality`; ``accepted`` is
        `accepted`, and so is suite2p's ``iscell``.

    Raises
    ------
    NotFoundError
        When there is no such file.
    FormatError
        For other files, and for several tables of cells; names them.
    SpecError
        For masks that are images whose axes nothing tells.

    Notes
    -----
    pynwb is not needed. Links to other files are not followed.

    Examples
    --------
    >>> import datetime
    >>> from thunderlike import storage
    >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
    >>> model = ExtractionModel([[[0, 1], [0, 2]]], (8, 8), quality={"snr": [12.5]})
    >>> model.tonwb("memory://lab/cells.nwb", session_start_time=start)
    >>> fromnwb("memory://lab/cells.nwb") == model
    True
    >>> storage.delete("memory://lab")
    """
    if order not in ("auto", "yx", "xy"):
        raise SpecError(f"order is 'auto', 'yx' or 'xy', not {order!r:.60}")
    image = None if shape is None else as_shape(shape, "shape")
    file = storage.stat(storage.at(path, credentials))
    with naming(file.path), open_file(file.path, identity=file.identity) as stream:
        cells = nwb_cells.read(stream, name, image, order)
        try:
            return _model(cells, inferred=cells.extra.get("inferred") is True)
        except SpecError as error:
            raise FormatError(str(error)) from error


def _model(cells: nwb_cells.Cells, *, inferred: bool) -> ExtractionModel:
    shape = cells.shape
    if shape is None:
        if not len(cells.coordinates):
            raise SpecError("nothing tells the shape of the image: give shape=")
        shape, inferred = tuple((cells.coordinates.max(axis=0) + 1).tolist()), True
    if len(shape) != cells.coordinates.shape[1] or (cells.coordinates >= np.array(shape)).any():
        raise SpecError(f"cells reach out of images of shape {shape}: give their shape=")
    if (cells.coordinates < 0).any():
        raise SpecError("cells have negative coordinates")
    columns = dict(cells.columns)
    accepted = columns.pop("accepted", None)
    if accepted is not None and accepted.dtype.kind != "b":
        columns["accepted"], accepted = accepted, None
    pixels = np.ravel_multi_index(tuple(cells.coordinates.T), shape)
    parts = (cells.weights, pixels, np.concatenate([[0], cells.ends]))
    kept: dict[str, Any] = {}
    for key in ("attrs", "parameters"):
        with boundary(key):
            found = from_json(cells.extra.get(key, {"dict": {}}))
            kept[key] = found if isinstance(found, dict) else {}
    return ExtractionModel(
        csr_array(parts, shape=(len(cells.ends), int(np.prod(shape)))),
        shape,
        quality=columns,
        accepted=accepted,
        inferred=inferred,
        **kept,
    )


def tonwb(
    model: ExtractionModel,
    path: AnyPath,
    *,
    traces: Any = None,
    images: Mapping[str, ArrayLike] | None = None,
    rate: float | None = None,
    name: str = "PlaneSegmentation",
    plane: Mapping[str, Any] | None = None,
    session_start_time: datetime | None = None,
    nwbfile: Any = None,
    overwrite: bool = False,
    credentials: AnyCredentials = None,
) -> None:
    """Write an NWB file; see :meth:`ExtractionModel.tonwb`."""
    responses = _responses(model, traces)
    fs = rate if rate is not None else model.attrs.get("fs")
    timing = nwb.Timing(rate=fs)
    if responses:
        nwb.check(timing, nwbfile, session_start_time)
    else:
        nwb.check(nwb.Timing(rate=1.0), nwbfile, session_start_time)
    pictures = {key: _picture(key, one) for key, one in (images or {}).items()}
    extra: dict[str, Any] = {"inferred": model.inferred}
    for key in ("attrs", "parameters"):
        with boundary(key):
            extra[key] = to_json(getattr(model, key))
    cells = nwb_cells.Cells(
        model._coordinates,
        model.weights.data,
        model.weights.indptr[1:].astype(np.int64),
        model.shape,
        {"accepted": model.accepted} | model.quality,
        extra,
    )
    with draft(path, hdf5.looks_like, overwrite=overwrite, credentials=credentials) as made:
        nwb_cells.write(
            made.file,
            cells,
            responses,
            pictures,
            timing,
            name=name,
            plane=plane,
            nwbfile=nwbfile,
            session_start_time=session_start_time,
        )


def _responses(model: ExtractionModel, traces: Any) -> list[nwb_cells.Responses]:
    """Return the traces of a file, time first."""
    if traces is None:
        return []
    if not hasattr(traces, "items"):
        given = {name: getattr(traces, name, None) for name in _DESCRIPTIONS}
    else:
        given = dict(traces.items())
    found = []
    for name, values in given.items():
        if values is None:
            continue
        whole = isinstance(values, Series)
        data = values.toarray(squeeze=False) if whole else as_array(values, f"traces {name!r}")
        if data.ndim != 2 or len(data) != model.count:
            raise SpecError(
                f"traces {name!r:.60} have shape {data.shape}, and there are {model.count} cells: "
                f"give ({model.count}, T)"
            )
        container = _CONTAINERS.get(name, "Fluorescence")
        text = _DESCRIPTIONS.get(name, name)
        found.append(nwb_cells.Responses(name, container, data.T, "a.u.", text))
    return found


def _picture(name: str, image: ArrayLike) -> NDArray[Any]:
    found = as_array(image, f"image {name!r}")
    if found.ndim != 2 or found.dtype.kind not in "iuf":
        raise SpecError(
            f"image {name!r:.60} has {found.dtype} of shape {found.shape}: give numbers of 2 axes"
        )
    return found
