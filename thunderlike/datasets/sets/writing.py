"""From archives to datasets: find, verify, parse, convert on all cores, write in order."""

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
from thunderlike.datasets.images import pixels
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.sets import meta
from thunderlike.datasets.sets.catalog import get
from thunderlike.datasets.sets.spec import Task
from thunderlike.datasets.sets.types import ordered
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
    **options: Any,
) -> dict[str, Path]:
    """Make the datasets of a set: find or fetch its files, verify, convert, write.

    Parameters
    ----------
    name : str or SetSpec
        As :func:`get`.
    indir, outdir : path
        Where downloads are or come to, and where datasets are written; `indir` by default.
    splits : sequence of str, optional
        Those to write; all by default. Only the files that they need are asked for.
    shuffle : bool, optional
        Write samples in random order; by default as the set says.
    seed : int
        Of that order: the same one, the same bytes.
    overwrite : bool
        Replace datasets that are there.
    verify : bool
        Compare the md5 of files that were there already; fetched ones always are.
    check_images : bool, optional
        Decode every image that is stored; by default where no md5 vouches for the files.
    calculate_weights : bool
        Count the pixels of each class, and write counts and weights to ``NAME.meta.json``.
    workers : int, optional
        Threads that convert; the setting of that name by default.
    **options
        Those of the set: ``get(name).options``.

    Returns
    -------
    dict
        The file of each split. What else the archives tell is in ``NAME.meta.json`` beside them.

    Raises
    ------
    ExistsError
        When a dataset is there; before anything else is done.
    NotFoundError
        For a file that is fetched by hand, with what to do; for a member an archive lacks.
    VerifyError, DownloadError
        For files that are not those of the set; nothing is written.
    CorruptSampleError
        For a sample that cannot be read; the dataset is not written, an older one is kept.

    Notes
    -----
    Sets that are shuffled are listed first and read in random order; the others are read as
    streams. Memory: one item in hand for each worker, twice. Each dataset appears when it is whole.

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
        raise SpecError(f"{spec.name}: nothing is written of it; {spec.manual}")
    if calculate_weights and not spec.weights:
        raise SpecError(f"{spec.name}: has no label images whose pixels could be counted")
    wanted = [spec.split(one) for one in splits or [split.name for split in spec.splits]]
    folder = Path(indir if outdir is None else outdir)
    paths = {split.name: folder / split.file for split in wanted}
    _free(paths.values(), overwrite)
    sources = spec.files(chosen, wanted)
    found = locate(sources, Path(indir), check=verify, manual=spec.manual)
    if check_images is None:
        check_images = not (verify and all(source.md5 for source in sources.values()))
    with _opened(found) as archives:
        order = seed if (spec.shuffle if shuffle is None else shuffle) else None
        run = _Run(spec, chosen, archives, order, check_images, workers)
        for group in [wanted] if spec.one_pass else [[split] for split in wanted]:
            run.write(group, paths, overwrite)
        told = {what: tell(run.task(spec.splits[0])) for what, tell in spec.meta.items()}
    if calculate_weights:
        told |= _weights(paths.get(spec.weights), spec)
    if told:
        storage.write(folder / f"{spec.name}.meta.json", json.dumps(told).encode())
    return paths


def metadata(
    spec: SetSpec, what: str, indir: str | Path = ".", *, verify: bool = True, **options: Any
) -> Any:
    """What the archives of a set tell besides samples; one of the names in ``spec.meta``.

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
        known = ", ".join(spec.meta) or "nothing"
        raise SpecError(f"{spec.name}: knows no {what!r} but {known}")
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
    """All archives of a set, by the short names of their sources."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(opened(path))) for name, path in paths.items()}


@dataclass(frozen=True)
class _Run:
    """One conversion: what was asked for, and the steps from items to samples."""

    spec: SetSpec
    options: Mapping[str, Any]
    archives: Mapping[str, Archive]
    seed: int | None
    looked: bool
    workers: int | None

    def task(self, split: Split) -> Task:
        """What the parser of the set is given."""
        return Task(self.archives, split.name, self.options)

    def write(self, group: Sequence[Split], paths: Mapping[str, Path], overwrite: bool) -> None:
        """Write splits that come from one pass over the archives."""
        with ExitStack() as stack:
            writers = {}
            for split in group:
                writer = FileWriter(paths[split.name], overwrite=overwrite, total=split.total)
                writers[split.name] = stack.enter_context(writer)
            items = self._items(self.task(group[0]), writers)
            for name, samples in tmap(self._samples, items, workers=self.workers):
                writers[name].write_many(samples)
            for name, writer in writers.items():
                if not writer.written:
                    raise NotFoundError(
                        f"{self.spec.name}: its archives hold no sample of {name!r}"
                    )

    def _items(self, task: Task, wanted: Iterable[str]) -> Iterator[Item]:
        given = (item._replace(split=item.split or task.split) for item in self.spec.parse(task))
        items = (item for item in given if item.split in wanted)
        if self.seed is None:
            return items
        held = list(items)
        random.Random(self.seed).shuffle(held)  # noqa: S311  # an order, no secret
        return iter(held)

    def _samples(self, item: Item) -> tuple[str, list[dict[str, Any]]]:
        """Read, convert and check one item: what runs on the workers."""
        spec = self.spec
        kind = spec.split(item.split).sample or spec.sample
        try:
            loaded = {"key": item.key} | {k: _loaded(value) for k, value in item.fields.items()}
            made = spec.convert(loaded, self.options) if spec.convert else iter([loaded])
            samples = [ordered(kind, one) for one in made]
            if self.looked:
                _look(samples)
        except FormatError as error:
            told = f"{spec.name}: sample {item.key!r} of {item.split}: {error}"
            raise CorruptSampleError(told, key=item.key, cause=str(error)) from error
        return item.split, samples


def _loaded(value: Any) -> Any:
    if isinstance(value, list):
        return [_loaded(one) for one in value]
    return value.read() if isinstance(value, Member) else value


def _look(samples: Iterable[Mapping[str, Any]]) -> None:
    """Decode every image, for damage that no md5 would have shown."""
    for name, value in (field for sample in samples for field in sample.items()):
        if name.endswith("image") and isinstance(value, bytes):
            pixels(value)


def _weights(path: Path | None, spec: SetSpec) -> dict[str, Any]:
    """Count the pixels of the labels that were written."""
    if path is None:
        raise SpecError(f"{spec.name}: weights are counted in {spec.weights}, which is not written")
    with MsgpackReader(path) as reader:
        images = tmap(_labels, reader.slice(0))
        counts = meta.class_counts(images)
    weights = meta.median_frequency_weights(counts)
    return {"indexes": list(counts), "counts": list(counts.values()), "weights": weights}


def _labels(sample: Mapping[str, Any]) -> Any:
    found = sample["label_image"]
    return pixels(found) if isinstance(found, bytes) else found
