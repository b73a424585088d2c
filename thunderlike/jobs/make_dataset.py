"""Convert images or series to a dataset for machine learning: keyed samples in shards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import checked_types
from thunderlike.errors import SpecError
from thunderlike.jobs.convert import BATCH
from thunderlike.jobs.outputs import FILE_BYTES, Messages, fingerprint, loading, written
from thunderlike.jobs.report import Steps, summary, summary_path
from thunderlike.jobs.report import write as write_summary
from thunderlike.jobs.signals import read_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike.engines import Engine
    from thunderlike.jobs.contents import Contents

__all__ = ["Plan", "plan", "read_labels", "run"]


def read_labels(text: str, count: int) -> NDArray[Any]:
    r"""Read ``FILE`` or ``FILE:NAME``, as :func:`~thunderlike.jobs.signals.read_signal` does.

    Parameters
    ----------
    text : str
        A file and, of several columns, the name of one.
    count : int
        How many there must be.

    Returns
    -------
    ndarray, shape (count,)
        Of int64 if all are whole numbers, else of float64 if all are numbers, else of text.

    Raises
    ------
    ThunderlikeError
        As ``read_signal``, but that labels may be anything, and all equal.
    SpecError
        For another number of them, and for empty ones; names the file.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://cells.csv", b"file,kind\na.tif,round\nb.tif,star\n")
    >>> read_labels("memory://cells.csv:kind", 2)
    array(['round', 'star'], dtype='<U5')
    >>> storage.delete("memory://cells.csv")
    """
    path, name, values = read_column(text, "column")
    if len(values) != count:
        raise SpecError(
            f"{path}: {name!r} has {len(values)} labels, for {count} records; a first line of text "
            "counts as the names of columns"
        )
    texts = [str(value) for value in values]
    if missing := [number for number, text in enumerate(texts) if not text.strip()]:
        raise SpecError(
            f"{path}: {name!r} has no label for record {missing[0]}, and {len(missing)} such in "
            "all: give them one, or leave those records out"
        )
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            continue
    return np.array(texts)


@dataclass(frozen=True, eq=False)
class Plan:
    """Validated job: an input and labels of matching length.

    Parameters
    ----------
    contents : Contents
        What is read.
    output : str
        The folder to write.
    field : str
        What a sample calls its array.
    labels : ndarray or None
        What each record is called.
    shard : int
        Bytes of the arrays in a shard, at most.
    named_by : str, optional
        Where the labels were read.
    """

    contents: Contents
    output: str
    field: str = "data"
    labels: NDArray[Any] | None = None
    shard: int = FILE_BYTES
    named_by: str | None = None

    @property
    def description(self) -> dict[str, Any]:
        """Description of the labels for JSON."""
        if self.labels is None:
            return {"field": self.field, "labels": None}
        kinds = np.unique(self.labels)
        facts = {
            "file": self.named_by,
            "dtype": str(self.labels.dtype),
            "different": len(kinds),
        }
        return {"field": self.field, "labels": facts | {"first": kinds[:10].tolist()}}


@checked_types
def plan(
    contents: Contents,
    output: str,
    *,
    field: str = "data",
    labels: str | None = None,
    shard: int = FILE_BYTES,
) -> Plan:
    """Read the labels and validate the job; reads no record.

    Parameters
    ----------
    contents : Contents
        From :func:`thunderlike.jobs.contents.look`: images, or series.
    output, field, shard
        As of :class:`Plan`.
    labels : str, optional
        ``FILE`` or ``FILE:NAME`` with one for each record, in their order.

    Raises
    ------
    ThunderlikeError
        When the labels cannot be read, or are not as many as the records.
    SpecError
        For a field that means something else in a sample, and for shards of no size.
    """
    if not field:
        raise SpecError("field is empty: give the name of the array in a sample")
    if field in ("key", "label"):
        raise SpecError(f"field {field!r} is reserved in samples: give another name")
    if shard < 1:
        raise SpecError(f"shard must be 1 byte or more, not {shard}")
    named = None if labels is None else read_labels(labels, contents.collection.count())
    return Plan(contents, output, field, named, shard, labels)


@checked_types
def run(
    plan: Plan,
    engine: Engine,
    *,
    batch: int = BATCH,
    npartitions: int | None = None,
    overwrite: bool = False,
    resume: bool = True,
    command: str = "",
) -> dict[str, Any]:
    """Write the folder of shards atomically, and a summary next to it.

    Parameters
    ----------
    plan : Plan
    engine : Engine
        What reads and writes.
    batch : int
        Bytes of records between two notes of what is done; locally, what is in memory at a time.
    npartitions : int, optional
        Parts to spread a batch over, on Spark.
    overwrite : bool
        Replace what an earlier call wrote there.
    resume : bool
        Use what an interrupted run of the same plan has done.
    command : str
        How it was called, for the record.

    Returns
    -------
    dict
        What ``OUTPUT.summary.json`` says.

    Raises
    ------
    ExistsError, StorageError
        When the folder may not be written; before anything is read.

    Notes
    -----
    One pass. A shard is named by its first record, whatever engine wrote it; none reaches over the
    end of a batch.
    """
    steps, contents = Steps(), plan.contents
    engine = engine.sized(contents.source.spec)
    target = Messages(contents.collection, plan.field, plan.labels, plan.shard)
    facts = {"input": contents.description(), **plan.description}
    same = facts | {"files": fingerprint(contents.source), "labels": _hash(plan.labels)}
    same |= {"shard": plan.shard, "batch": batch}
    batches = loading(contents.source, engine, batch, npartitions)
    with steps.timed("write"):
        done = written(plan.output, target, batches, same, overwrite=overwrite, resume=resume)
    facts |= {"samples": batches.count, "batches_done_before": done}
    found = summary(facts, plan.output, engine, steps, command)
    write_summary(summary_path(plan.output), found)
    return found


def _hash(labels: NDArray[Any] | None) -> str | None:
    return None if labels is None else hashlib.sha256(repr(labels.tolist()).encode()).hexdigest()
