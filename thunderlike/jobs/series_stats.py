"""Statistics of each pixel: mean, standard deviation, percentiles, dF/F; pixels in batches."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.data.images import Images
from thunderlike.data.writers import joined, write_slabs
from thunderlike.engines import Spec
from thunderlike.engines.local import SourceRange
from thunderlike.errors import SpecError
from thunderlike.formats import hdf5, raw
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import BATCH
from thunderlike.jobs.outputs import (
    PREPARED,
    Batches,
    Hdf5,
    Target,
    fingerprint,
    hidden,
    loading,
    written,
)
from thunderlike.jobs.report import Steps, put, summary
from thunderlike.jobs.report import write as write_summary
from thunderlike.kernels import groupby, series
from thunderlike.kernels._tiles import tiles
from thunderlike.storage.atomic import draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from thunderlike._typing import Array
    from thunderlike.engines import Engine
    from thunderlike.engines.base import Records
    from thunderlike.jobs.contents import Contents

__all__ = ["BATCH", "DFF", "Baseline", "Figures", "Plan", "plan", "run"]


DFF = np.dtype(np.float32)


@dataclass(frozen=True)
class Baseline:
    """Baseline of dF/F: the arguments of :meth:`thunderlike.Series.normalize`."""

    method: str = "percentile"
    window: int | None = None
    perc: float = 20
    offset: float = 0.1


@dataclass(frozen=True)
class Figures:
    """Statistics computed for each series.

    Parameters
    ----------
    percentiles : tuple of float
        From 0 to 100; each becomes a map.
    baseline : Baseline or None
        Of dF/F; None to leave it out.

    Examples
    --------
    >>> Figures((5, 50)).names
    ('mean', 'std', 'p5', 'p50')
    >>> maps, dff = Figures((50,), Baseline("mean", offset=0)).of(np.array([[1, 2, 6]], "int16"))
    >>> maps.round(2), dff.round(2)
    (array([[3.  , 2.16, 2.  ]]), array([[-0.67, -0.33,  1.  ]], dtype=float32))
    """

    percentiles: tuple[float, ...] = (5, 50, 95)
    baseline: Baseline | None = field(default_factory=Baseline)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the maps."""
        return ("mean", "std", *(f"p{q:g}" for q in self.percentiles))

    def of(self, block: Array) -> tuple[Array, Array | None]:
        """Compute the statistics of a block of series, shape (k, L).

        Returns
        -------
        ndarray of float64, shape (k, names)
            A series with a NaN has none of them.
        ndarray of float32, shape (k, L), or None
            ``(y - b) / (b + offset)`` for the baseline b.

        Raises
        ------
        SpecError
            For a percentile or a baseline that there is not, and for values that are no real
            numbers.
        """
        maps = np.empty((len(block), len(self.names)))
        dff = None if self.baseline is None else np.empty(block.shape, DFF)
        for rows, tile in tiles(block):
            maps[rows] = self._maps(tile)
            if self.baseline is not None and dff is not None:
                dff[rows] = series.normalize(tile, **asdict(self.baseline))
        return maps, dff

    def _maps(self, tile: Array) -> Array:
        whole = groupby.Groups.equal(np.arange(tile.shape[1])[np.newaxis])
        columns = [groupby.statistic(tile, whole, stat) for stat in ("mean", "stdev")]
        return np.hstack([*columns, *(groupby.percentile(tile, q) for q in self.percentiles)])


_BLOCK = 2**23  # bytes of the pixels that one thread works on


@dataclass(frozen=True)
class Plan:
    """Validated job: an input and consistent arguments.

    Parameters
    ----------
    contents : Contents
        What is read: images, or series.
    output : str
        The folder to write.
    figures : Figures
        What is computed.
    """

    contents: Contents
    output: str
    figures: Figures

    @property
    def is_movie(self) -> bool:
        """Return whether images must be converted to series."""
        return isinstance(self.contents.collection, Images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the series: pixels and values of each."""
        shape = self.contents.collection.shape
        return (*shape[1:], shape[0]) if self.is_movie else shape

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files of the output."""
        return ("stats.h5", *(["dff.h5"] if self.figures.baseline else []), "summary.json")


@checked_types
def plan(contents: Contents, output: str, figures: Figures) -> Plan:
    """Validate the job; reads nothing.

    Parameters
    ----------
    contents : Contents
        From :func:`thunderlike.jobs.contents.look`: images, or series.
    output, figures
        As of :class:`Plan`.

    Raises
    ------
    SpecError
        For an invalid or repeated percentile, an unknown baseline, a window
        that no baseline uses, for series of one value, and for records that are no real numbers,
        or none at all.
    """
    made = Plan(contents, output, figures)
    if 0 in made.shape:
        raise SpecError(f"cannot compute statistics of values of shape {made.shape}")
    if made.shape[-1] == 1:
        raise SpecError(contents.advice or f"a single image has no time axis: {made.shape} values")
    if len(set(figures.names)) < len(figures.names):
        raise SpecError(
            f"duplicate percentiles give maps {', '.join(figures.names)}: give each percentile once"
        )
    baseline = figures.baseline
    if baseline and baseline.window is not None and not baseline.method.startswith("window"):
        raise SpecError(
            f"a window of {baseline.window} means nothing for the baseline {baseline.method!r}: "
            "choose 'window' or 'window-exact'"
        )
    # Invalid percentiles, baselines and dtypes are errors now, not after the first batch was read.
    figures.of(np.zeros((1, made.shape[-1]), contents.collection.dtype))
    return made


@checked_types
def run(
    plan: Plan,
    engine: Engine,
    *,
    batch: int | None = BATCH,
    npartitions: int | None = None,
    overwrite: bool = False,
    resume: bool = True,
    command: str = "",
) -> dict[str, Any]:
    """Run the job and write its folder atomically.

    Parameters
    ----------
    plan : Plan
    engine : Engine
        Where to compute.
    batch : int, optional
        Bytes of recorded values between two notes of what is done; locally, in memory at a time.
        None does all at once, as is right for a lazy engine, which keeps its own bounds.
    npartitions : int, optional
        Parts to spread what is read over, on Spark.
    overwrite : bool
        Replace what an earlier run wrote there.
    resume : bool
        Use what an interrupted run of the same plan has done.
    command : str
        How it was called, for the record.

    Returns
    -------
    dict
        What ``summary.json`` says.

    Raises
    ------
    ExistsError, StorageError
        When the folder may not be written; before anything is computed.
    FormatError
        For a file that cannot be read, or is of another size than the first; names it.

    Notes
    -----
    Series are read once. Images that are one batch are read once, and turned into series; on Spark
    that is one shuffle. Images of more than one batch are first rewritten as an HDF5 file from
    which pixels are read as easily as images: it stands in the hidden folder of what is done, takes
    the bytes of all pixels, and twice that while it is put together, and goes with it.
    """
    engine = engine.sized(plan.contents.source.spec)
    target = _Statistics(plan, engine, command)
    facts = {**plan.contents.description(), **asdict(plan.figures), "batch": batch}
    facts["files"] = fingerprint(plan.contents.source)
    batches = _Pixels(plan, engine, npartitions).batches(batch)
    written(plan.output, target, batches, facts, overwrite=overwrite, resume=resume)
    return target.summary


@dataclass(frozen=True)
class _Pixels:
    """Loader of the series of a range of pixels; converts images to series first."""

    plan: Plan
    engine: Engine
    npartitions: int | None

    def batches(self, nbytes: int | None) -> Batches:
        """Divide the pixels into batches of a number of bytes; None for one batch."""
        contents = self.plan.contents
        if not self.plan.is_movie:
            return loading(contents.source, self.engine, nbytes, self.npartitions)
        # A range of pixels lies in every image: batches of a movie would each read all of it.
        *pixels, length = self.plan.shape
        count, each = math.prod(pixels), length * contents.collection.dtype.itemsize
        if nbytes is None or count * each <= nbytes:
            return Batches(count, count, self._at_once)
        return Batches(count, max(1, nbytes // each), partial(self._some, nbytes))

    def _at_once(self, *_: int) -> Records:
        records = self.engine.load(self.plan.contents.source, self.npartitions)
        return Images(records).toseries()._records

    def _some(self, nbytes: int, start: int, stop: int) -> Records:
        # Next to the finished batches: kept as long as they are, and for the same plan.
        movie = storage.join(hidden(self.plan.output, "unfinished"), PREPARED)
        if not storage.exists(movie):
            target = Hdf5(self.plan.contents.collection, compression=None)  # is read once
            written(movie, target, loading(self.plan.contents.source, self.engine, nbytes), {})
        source = look(movie, as_series=True, axis=0).source
        return self.engine.load(SourceRange(source, start, stop), self.npartitions)


@dataclass(frozen=True)
class _Writer:
    """Writer of the statistics of a block, computed on its worker."""

    folder: str
    figures: Figures

    def __call__(self, start: int, block: Array) -> list[Any]:
        """Write two files; the same ones for the same block."""
        if not len(block):
            return []
        for what, values in zip(("maps", "dff"), self.figures.of(block), strict=True):
            if values is not None:
                put(self.folder, f"{what}-{start:012d}", raw.encode(values))
        return [(start, len(block))]


class _Statistics(Target[str]):
    """Output folder of the job.

    Attributes
    ----------
    summary : dict
        What was done; when it is.
    """

    summary: dict[str, Any]

    def __init__(self, plan: Plan, engine: Engine, command: str) -> None:
        super().__init__(plan.contents.collection)
        self._plan, self._engine, self._command = plan, engine, command
        self._steps = Steps()

    @property
    def block_bytes(self) -> int:
        return _BLOCK

    def opened(self, path: str, overwrite: bool) -> AbstractContextManager[str]:
        known = ("stats.h5", "dff.h5", "summary.json")
        return storage.output(path, known, overwrite=overwrite)

    def writer(self, folder: str) -> _Writer:
        return _Writer(folder, self._plan.figures)

    def finish(self, place: str, files: str, notes: list[Any]) -> None:
        self._steps.lap("compute")
        made = _Assembled(self._plan.shape, self._plan.figures.names, files, notes)
        ranges = made.maps(storage.join(place, "stats.h5"))
        if self._plan.figures.baseline:
            made.dff(storage.join(place, "dff.h5"))
        self._steps.lap("write")
        facts = {
            "input": self._plan.contents.description(),
            "baseline": self._plan.figures.baseline and asdict(self._plan.figures.baseline),
            "maps": ranges,
            "batches_done_before": self.skipped,
        }
        self.summary = summary(facts, self._plan.output, self._engine, self._steps, self._command)
        write_summary(storage.join(place, "summary.json"), self.summary)


@dataclass(frozen=True)
class _Assembled:
    """Assembler of the files of all blocks, one slab in memory at a time."""

    shape: tuple[int, ...]
    names: tuple[str, ...]
    files: str
    notes: list[Any]

    def maps(self, path: str) -> dict[str, Any]:
        """Write an array for each map; return the range of each map."""
        # The parts are read once for each map: the maps of all pixels need not fit in memory.
        spec = Spec(math.prod(self.shape[:-1]), (len(self.names),), np.dtype(np.float64))
        with draft(path, hdf5.looks_like) as made:
            return {name: self._map(made.file, spec, name) for name in self.names}

    def _map(self, file: Path, spec: Spec, name: str) -> dict[str, float | None]:
        seen, column = _Range(), self.names.index(name)
        with hdf5.Writer(file, self.shape[:-1], spec.dtype, name=name) as sink:
            slabs = self._slabs("maps", spec, sink.rows)
            write_slabs(
                sink, (seen.of(start, slab[..., column]) for start, slab in slabs), self.shape[0]
            )
        return seen.description()

    def dff(self, path: str) -> None:
        """Write the series."""
        spec = Spec(math.prod(self.shape[:-1]), self.shape[-1:], DFF)
        with (
            draft(path, hdf5.looks_like) as made,
            hdf5.Writer(made.file, self.shape, DFF, time=len(self.shape) - 1) as sink,
        ):
            write_slabs(sink, self._slabs("dff", spec, sink.rows), self.shape[0])

    def _slabs(self, what: str, spec: Spec, rows: int) -> Iterator[tuple[int, Array]]:
        found = [
            (storage.join(self.files, f"{what}-{start:012d}"), count) for start, count in self.notes
        ]
        return joined(found, spec, self.shape[:-1], rows)


class _Range:
    """Minimum and maximum of finite values."""

    def __init__(self) -> None:
        self._found = [np.inf, -np.inf]
        self._undefined = 0

    def of(self, start: int, values: Array) -> tuple[int, Array]:
        """Update the range from an array, and return it contiguous."""
        # Kept while slabs pass to the file, so that the maps are not read again.
        defined = values[~np.isnan(values)]
        self._undefined += values.size - defined.size
        self._found[0] = float(defined.min(initial=self._found[0]))
        self._found[1] = float(defined.max(initial=self._found[1]))
        return start, np.ascontiguousarray(values)

    def description(self) -> dict[str, Any]:
        """The range; None without a finite value."""
        low, high = (value if np.isfinite(value) else None for value in self._found)
        return {"min": low, "max": high, "undefined": self._undefined}
