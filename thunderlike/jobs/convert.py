"""Conversion between formats, in batches that survive an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike._arguments import checked_types
from thunderlike.data.file_sources import naming
from thunderlike.engines import engine_for
from thunderlike.errors import SpecError
from thunderlike.formats.base import believable
from thunderlike.formats.registry import FORMATS, by_extension
from thunderlike.jobs.outputs import fingerprint, loading, target_for, written
from thunderlike.jobs.report import Steps, summary, summary_path
from thunderlike.jobs.report import write as write_summary

if TYPE_CHECKING:
    from thunderlike.engines import Engine
    from thunderlike.jobs.contents import Contents

__all__ = ["BATCH", "convert", "run", "target_format"]

BATCH = 256 * 2**20
_MUCH = 2**32  # bytes that a file may announce however small it is


@checked_types
def target_format(path: str, given: str | None = None) -> str:
    """Return the format to write: the given one, or the one of the extension of the path.

    Raises
    ------
    SpecError
        When neither names a known format.

    Examples
    --------
    >>> target_format("movie.h5"), target_format("folder", "tif")
    ('hdf5', 'tif')
    """
    found = by_extension(path)
    name = given or (None if found is None else found.name)
    if given and given not in FORMATS:
        raise SpecError(f"cannot write format {given!r}; expected one of {', '.join(FORMATS)}")
    if name not in FORMATS:
        raise SpecError(
            f"{path}: unknown extension; give the format with --to: {', '.join(FORMATS)}"
        )
    return name


@checked_types
def convert(
    contents: Contents,
    path: str,
    to: str,
    *,
    engine: object = None,
    npartitions: int | None = None,
    batch: int = BATCH,
    overwrite: bool = False,
    resume: bool = True,
) -> int:
    """Write the contents of a path in another format.

    Parameters
    ----------
    contents : Contents
        From :func:`thunderlike.jobs.contents.look`.
    path : path
        A folder, or for npy and HDF5 a file.
    to : str
        The format, one of `FORMATS`.
    engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
        What reads and writes.
    npartitions : int, optional
        Parts to spread a batch over, on Spark.
    batch : int
        Bytes of records between two notes of what is done; locally, what is in memory at a time.
    overwrite : bool
        Replace what an earlier call wrote there.
    resume : bool
        Continue an earlier call with the same input and output; otherwise start again.

    Returns
    -------
    int
        How many batches an earlier, interrupted run had done already.

    Raises
    ------
    ExistsError, StorageError
        As the writers of that format.
    SpecError
        When the format holds no such records.
    FormatError
        When what the files announce is far more than their bytes can stand for.

    Notes
    -----
    Finished batches stay in a hidden folder ``.<name>.unfinished`` next to `path` until all are;
    delete it to forget it. `path` itself appears when all is done.
    """
    there = sum(file.size for file in contents.files)
    with naming(contents.files[0].path):
        believable(contents.collection.nbytes, there, "values", _MUCH)
    target = target_for(to, contents.collection)
    runs = engine_for(engine).sized(contents.source.spec)
    batches = loading(contents.source, runs, batch, npartitions)
    plan = {
        **contents.description(),
        "files": fingerprint(contents.source),
        "to": to,
        "batch": batch,
    }
    return written(path, target, batches, plan, overwrite=overwrite, resume=resume)


@checked_types
def run(
    contents: Contents, path: str, to: str, engine: Engine, *, command: str = "", **options: Any
) -> dict[str, Any]:
    """Convert, and write a summary next to the result: :func:`report.summary_path`.

    Parameters
    ----------
    contents, path, to, **options
        As of :func:`convert`.
    engine : Engine
        Where to compute.
    command : str
        How it was called, for the record.

    Returns
    -------
    dict
        What the summary says.
    """
    steps, engine = Steps(), engine.sized(contents.source.spec)
    with steps.timed("convert"):
        done = convert(contents, path, to, engine=engine, **options)
    facts = {"input": contents.description(), "to": to, "batches_done_before": done}
    found = summary(facts, path, engine, steps, command)
    write_summary(summary_path(path), found)
    return found
