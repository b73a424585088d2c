"""Datasets as files that other programs read: tar archives as of webdataset, and Parquet."""

from __future__ import annotations

import io
import itertools
import json
import math
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import checked_arguments
from thunderlike._lazy import optional
from thunderlike.errors import SpecError
from thunderlike.formats import npy
from thunderlike.progress import track
from thunderlike.storage.drafts import draft
from thunderlike.storage.paths import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from thunderlike.datasets.base import Reader
    from thunderlike.storage import AnyPath

__all__ = ["export_parquet", "export_tar"]

_ROWS = 1000  # of a table that is written at once


@checked_arguments
def export_tar(reader: Reader, outfile: AnyPath) -> int:
    """Write samples as a tar archive in the manner of webdataset; return how many.

    Bytes become ``KEY.FIELD``, arrays ``KEY.FIELD.npy``, all else, and the key itself,
    ``KEY.json``. Dots in keys, which divide names there, become underscores in the names.

    Notes
    -----
    One sample is held at a time. What JSON does not know becomes text there.
    """
    with (
        draft(outfile, _any, overwrite=True) as made,
        tarfile.open(made.file, mode="w") as archive,
        track("exporting", len(reader), "samples") as work,
    ):
        for key, found in reader.items():
            for name, data in _members(key, found):
                member = tarfile.TarInfo(inside(name, f"{outfile}: sample {key!r:.80}"))
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            work.advance()
    return len(reader)


def _any(start: bytes) -> bool:  # noqa: ARG001
    """Whoever calls has agreed to replace what is there."""
    return True


def _members(key: str, found: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    stem, rest = key.replace(".", "_"), {}
    for name, value in found.items():
        if isinstance(value, bytes):
            yield f"{stem}.{name}", value
        elif isinstance(value, np.ndarray):
            yield f"{stem}.{name}.npy", npy.encode(value)
        else:
            rest[name] = value
    yield f"{stem}.json", json.dumps(rest, default=_plain).encode()


def _plain(value: Any) -> Any:
    """What JSON makes of numbers of numpy; text of anything else."""
    if isinstance(value, np.generic):
        plain = value.item()
        return plain if not isinstance(plain, float) or math.isfinite(plain) else str(plain)
    return str(value)


@checked_arguments
def export_parquet(reader: Reader, outfile: AnyPath) -> int:
    """Write samples as a Parquet file, a row each; return how many.

    A field is a column: text, bytes, numbers as they are; arrays of one shape as tensors, which
    pyarrow gives back as arrays and others as lists; lists and dicts as JSON.

    Raises
    ------
    MissingExtra
        Without pyarrow.
    SpecError
        For samples that have not all the fields of the first one, of the same kinds and shapes.

    Notes
    -----
    A thousand samples are held at a time.
    """
    optional("pyarrow", "batches")
    from pyarrow import parquet

    rows = reader.slice(0)
    first = _table(list(itertools.islice(rows, _ROWS)))
    with (
        draft(outfile, _any, overwrite=True) as made,
        parquet.ParquetWriter(made.file, first.schema) as file,
        track("exporting", len(reader), "samples") as work,
    ):
        table = first
        while len(table):
            file.write_table(_fitted(table, first.schema))
            work.advance(len(table))
            table = _table(list(itertools.islice(rows, _ROWS)))
    return len(reader)


def _table(samples: Sequence[dict[str, Any]]) -> Any:
    import pyarrow

    if not samples:
        return pyarrow.table({"key": pyarrow.array([], pyarrow.string())})
    names = list(samples[0])
    for sample in samples:
        if sample.keys() != samples[0].keys():
            raise SpecError(
                f"sample {sample['key']!r} has the fields {', '.join(map(str, sample))}, and a "
                f"table needs those of {samples[0]['key']!r}: {', '.join(map(str, names))}"
            )
    return pyarrow.table({str(name): _column(name, samples) for name in names})


def _column(name: str, samples: Sequence[dict[str, Any]]) -> Any:
    import pyarrow

    values = [sample[name] for sample in samples]
    try:
        if isinstance(values[0], np.ndarray):
            stacked = np.stack(values, dtype=values[0].dtype, casting="equiv")
            return pyarrow.FixedShapeTensorArray.from_numpy_ndarray(stacked)
        return pyarrow.array(list(map(_cell, values)))
    except (ValueError, TypeError, pyarrow.ArrowException) as error:
        keys = f"{samples[0]['key']!r} to {samples[-1]['key']!r}"
        raise SpecError(f"{name!r} of samples {keys} makes no column: {error}") from error


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, default=_plain)
    return value.item() if isinstance(value, np.generic) else value


def _fitted(table: Any, schema: Any) -> Any:
    """A table with the columns that the first one had."""
    if table.schema == schema:
        return table
    try:
        if set(table.schema.names) != set(schema.names):
            raise SpecError(f"they have {', '.join(table.schema.names)}")
        return table.select(schema.names).cast(schema)
    except (ValueError, TypeError) as error:
        key = table["key"][0].as_py()
        raise SpecError(f"samples from {key!r} on are not like those before: {error}") from error
