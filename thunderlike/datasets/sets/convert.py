"""Conversion of the archives of a set to datasets: find, verify, parse, convert, write."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.datasets.archives import Member, opened
from thunderlike.datasets.download import locate
from thunderlike.datasets.images import class_counts, median_frequency_weights, pixels
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.sets.catalog import get
from thunderlike.datasets.sets.spec import Task, ordered
from thunderlike.datasets.writer import FileWriter
from thunderlike.errors import (
    CorruptSampleError,
    ExistsError,
    FormatError,
    NotFoundError,
    SpecError,
)
from thunderlike.parallel.threads import tmap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Item, SetSpec, Split

__all__ = ["metadata", "write"]


def write(
    name: str | SetSpec,
    indir: str | Path = ".",
    outdir: str | Path | None = None,
    *,
    splits: Sequence[str] | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    overwrite: bool = False,
    verify: bool = True,
    check_images: bool | None = None,
    calculate_weights: bool = False,
    workers: int | None = None,
    **options: object,
) -> dict[str, Path]:
    """Make the datasets of a set: find or download its files, verify, convert, write.

    Parameters
    ----------
    name : str or SetSpec
        As :func:`get`.
    indir, outdir : path
        Folder of downloads, and folder of datasets; `indir` by default.
    splits : sequence of str, optional
        Splits to write; all by default. Only the files that they need are required.
    shuffle : bool, optional
        Write samples in random order; by default as declared by the set.
    seed : int
        Seed of that order; the same seed gives the same bytes.
    overwrite : bool
        Replace existing datasets.
    verify : bool
        Compare the md5 of existing files; that of downloaded ones is always compared.
    check_images : bool, optional
        Decode every image that is stored; by default where the files have no md5.
    calculate_weights : bool
        Count the pixels of each class, and write counts and weights to ``NAME.meta.json``.
    workers : int, optional
        Number of threads that convert; the setting of that name by default.
    **options
        Options of the set: ``get(name).options``.

    Returns
    -------
    dict
        File of each split. Further metadata is in ``NAME.meta.json`` in the same folder.

    Raises
    ------
    ExistsError
        For an existing dataset; raised before anything is read.
    NotFoundError
        For a file that must be downloaded by hand, with instructions; for a member that an archive
        lacks.
    VerifyError, DownloadError
        For files other than those of the set; nothing is written.
    CorruptSampleError
        For a sample that cannot be read; the dataset is not written, an existing one is kept.

    Notes
    -----
    Sets that are shuffled are listed first and read in random order; the others are read as
    streams. At most two items for each worker are in memory. A dataset appears once it is complete.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> from thunderlike.datasets.sets import Item, SetSpec, Source, Split
    >>> def parse(task):
    ...     notes = task["notes"]
    ...     return (Item(name, {"text": notes.member(name)}) for name in notes.names)
    >>> source = {"notes": Source("notes.zip")}
    >>> notes = SetSpec("Notes", "", "other", "key text", source, (Split("all"),), parse)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(f"{folder}/notes.zip", "w") as archive:
    ...         archive.writestr("a.txt", "some text")
    ...     with MsgpackReader(write(notes, folder)["all"]) as reader:
    ...         reader.get(0)
    {'key': 'a.txt', 'text': b'some text'}
    """
    spec = get(name)
    chosen = spec.chosen(options)
    if not spec.splits:
        raise SpecError(f"{spec.name}: has no splits to write; {spec.manual}")
    if calculate_weights and not spec.weights:
        raise SpecError(f"{spec.name}: has no label images whose pixels could be counted")
    wanted = [spec.split(one) for one in splits or [split.name for split in spec.splits]]
    folder = Path(indir if outdir is None else outdir)
    paths = {split.name: folder / split.file for split in wanted}
    _free(paths.values(), overwrite)  # before hours of downloads and conversion
    sources = spec.files(chosen, wanted)
    found = locate(sources, Path(indir), check=verify, manual=spec.manual)
    if check_images is None:
        check_images = not (verify and all(source.md5 for source in sources.values()))
    with _opened(found) as archives:
        order = seed if (spec.shuffle if shuffle is None else shuffle) else None
        run = _Conversion(spec, chosen, archives, order, check_images, workers)
        # Splits of one pass are written together; others one by one, with one writer open.
        for group in [wanted] if spec.one_pass else [[split] for split in wanted]:
            run.write(group, paths, overwrite)
        found_meta = {name: find(run.task(spec.splits[0])) for name, find in spec.meta.items()}
    if calculate_weights:
        found_meta |= _weights(paths.get(spec.weights), spec)
    if found_meta:
        storage.write(folder / f"{spec.name}.meta.json", json.dumps(found_meta).encode())
    return paths


def metadata(
    spec: SetSpec, what: str, indir: str | Path = ".", *, verify: bool = True, **options: object
) -> Any:
    """Read one entry of ``spec.meta`` from the archives of a set.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> from thunderlike.datasets.sets import SetSpec, Source, Split
    >>> known = {"count": lambda task: len(list(task["notes"].names))}
    >>> source = {"notes": Source("notes.zip")}
    >>> notes = SetSpec("Notes", "", "other", "key", source, (Split("all"),), list, meta=known)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(f"{folder}/notes.zip", "w") as archive:
    ...         archive.writestr("a.txt", "some text")
    ...     metadata(notes, "count", folder)
    1
    """
    if what not in spec.meta:
        known = ", ".join(spec.meta) or "none"
        raise SpecError(f"{spec.name}: has no metadata {what!r}; known: {known}")
    chosen = spec.chosen(options)
    found = locate(spec.files(chosen), Path(indir), check=verify, manual=spec.manual)
    with _opened(found) as archives:
        return spec.meta[what](Task(archives, spec.splits[0].name, chosen))


def _free(paths: Iterable[Path], overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise ExistsError(f"{path}: exists already; give overwrite=True to replace it")


@contextmanager
def _opened(paths: Mapping[str, Path]) -> Iterator[dict[str, Archive]]:
    """Open all archives of a set, by the short names of their sources."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(opened(path))) for name, path in paths.items()}


@dataclass(frozen=True)
class _Conversion:
    """One conversion: its settings, and the steps from items to samples."""

    spec: SetSpec
    options: Mapping[str, Any]
    archives: Mapping[str, Archive]
    seed: int | None
    check_images: bool
    workers: int | None

    def task(self, split: Split) -> Task:
        """Return the input of the parser of the set."""
        return Task(self.archives, split.name, self.options)

    def write(self, group: Sequence[Split], paths: Mapping[str, Path], overwrite: bool) -> None:
        """Write splits that come from one pass over the archives."""
        with ExitStack() as stack:
            writers = {}
            for split in group:
                writer = FileWriter(paths[split.name], overwrite=overwrite, total=split.total)
                writers[split.name] = stack.enter_context(writer)
            items = self._items(self.task(group[0]), writers)
            # In the order of the items, whatever the threads: the same seed gives the same bytes.
            for name, samples in tmap(self._samples, items, workers=self.workers):
                writers[name].write_many(samples)
            for name, writer in writers.items():
                if not writer.written:  # an archive of another set, or one that was changed
                    raise NotFoundError(
                        f"{self.spec.name}: its archives have no sample of split {name!r}"
                    )

    def _items(self, task: Task, wanted: Iterable[str]) -> Iterator[Item]:
        given = (item._replace(split=item.split or task.split) for item in self.spec.parse(task))
        # Sets of one pass yield items of all splits, wanted or not.
        items = (item for item in given if item.split in wanted)
        if self.seed is None:
            return items
        held = list(items)
        # Items are names without bytes, so that all of them fit into memory.
        random.Random(self.seed).shuffle(held)  # noqa: S311  # an order, no secret
        return iter(held)

    def _samples(self, item: Item) -> tuple[str, list[dict[str, Any]]]:
        """Read, convert and check one item; workers run this."""
        spec = self.spec
        kind = spec.split(item.split).sample or spec.sample
        try:
            loaded = {"key": item.key} | {k: _loaded(value) for k, value in item.fields.items()}
            made = spec.convert(loaded, self.options) if spec.convert else iter([loaded])
            samples = [ordered(kind, one) for one in made]
            if self.check_images:  # without an md5, decoding is what finds a damaged download
                for name, value in (field for sample in samples for field in sample.items()):
                    if name.endswith("image") and isinstance(value, bytes):
                        pixels(value)
        except FormatError as error:
            text = f"{spec.name}: sample {item.key!r} of {item.split}: {error}"
            raise CorruptSampleError(text, key=item.key, cause=str(error)) from error
        return item.split, samples


def _loaded(value: object) -> Any:
    if isinstance(value, list):
        return [_loaded(one) for one in value]
    return value.read() if isinstance(value, Member) else value


def _weights(path: Path | None, spec: SetSpec) -> dict[str, Any]:
    """Count the pixels of each class in the dataset that was written."""
    if path is None:
        raise SpecError(
            f"{spec.name}: weights are counted in the split {spec.weights!r}, which is not written"
        )
    with MsgpackReader(path) as reader:
        images = tmap(_labels, reader.slice(0))
        counts = class_counts(images)
    weights = median_frequency_weights(counts)
    return {"indexes": list(counts), "counts": list(counts.values()), "weights": weights}


def _labels(sample: Mapping[str, Any]) -> Any:
    found = sample["label_image"]
    return pixels(found) if isinstance(found, bytes) else found
