"""From archives to datasets: find, verify, parse, convert on all cores, write in order."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike.datasets.archives import Member, opened
from thunderlike.datasets.fetching import locate
from thunderlike.datasets.pictures import pixels
from thunderlike.datasets.reader import MsgpackReader
from thunderlike.datasets.sets import meta
from thunderlike.datasets.sets.spec import Task
from thunderlike.datasets.sets.types import ordered
from thunderlike.datasets.writers import FileWriter
from thunderlike.errors import CorruptSampleError, Exists, FormatError, NotFound, SpecError
from thunderlike.parallel.pool import tmap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from thunderlike.datasets.archives import Archive
    from thunderlike.datasets.sets.spec import Item, SetSpec, Split

__all__ = ["metadata", "write_set"]


def write_set(
    spec: SetSpec,
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
    """Write the datasets of a set; parameters as :func:`thunderlike.datasets.sets.write`."""
    chosen = spec.chosen(options)
    if not spec.splits:
        raise SpecError(f"{spec.name}: nothing is written of it; {spec.manual}")
    if calculate_weights and not spec.weights:
        raise SpecError(f"{spec.name}: has no label images whose pixels could be counted")
    wanted = [spec.split(name) for name in splits or [split.name for split in spec.splits]]
    folder = Path(indir if outdir is None else outdir)
    paths = {split.name: folder / split.file for split in wanted}
    _free(paths.values(), overwrite)
    sources = spec.files(chosen, wanted)
    found = locate(sources, Path(indir), check=verify, manual=spec.manual)
    vouched = verify and all(source.md5 for source in sources.values())
    looked = not vouched if check_images is None else check_images
    run = _Run(spec, chosen, seed if _shuffled(spec, shuffle) else None, looked, workers)
    with _opened(found) as archives:
        groups = [wanted] if spec.one_pass else [[split] for split in wanted]
        for group in groups:
            run.write(archives, group, paths, overwrite)
        told = run.told(archives)
    if calculate_weights:
        told |= _weights(paths.get(spec.weights), spec)
    if told:
        storage.write(folder / f"{spec.name}.meta.json", json.dumps(told).encode())
    return paths


def metadata(
    spec: SetSpec, what: str, indir: str | Path = ".", *, verify: bool = True, **options: Any
) -> Any:
    """What the archives of a set tell besides samples; one of the names in ``spec.meta``."""
    if what not in spec.meta:
        known = ", ".join(spec.meta) or "nothing"
        raise SpecError(f"{spec.name}: knows no {what!r} but {known}")
    chosen = spec.chosen(options)
    found = locate(spec.files(chosen), Path(indir), check=verify, manual=spec.manual)
    with _opened(found) as archives:
        return spec.meta[what](Task(archives, spec.splits[0].name, chosen))


def _shuffled(spec: SetSpec, shuffle: bool | None) -> bool:
    return spec.shuffle if shuffle is None else shuffle


def _free(paths: Iterable[Path], overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise Exists(f"{path}: is there already; overwrite=True (or -y) replaces it")


class _opened(ExitStack):  # noqa: N801  # a context manager, named for what it gives
    """All archives of a set, open; by the short names of their sources."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        super().__init__()
        self._archives = {name: opened(path) for name, path in paths.items()}

    def __enter__(self) -> dict[str, Archive]:  # type: ignore[override]
        super().__enter__()
        for archive in self._archives.values():
            self.enter_context(closing(archive))
        return self._archives


class _Run:
    """One conversion: what was asked for, and the steps from items to samples."""

    def __init__(
        self,
        spec: SetSpec,
        options: Mapping[str, Any],
        seed: int | None,
        looked: bool,
        workers: int | None,
    ) -> None:
        self._spec, self._options, self._seed = spec, options, seed
        self._looked, self._workers = looked, workers

    def write(
        self,
        archives: Mapping[str, Archive],
        group: Sequence[Split],
        paths: Mapping[str, Path],
        overwrite: bool,
    ) -> None:
        """Write splits that come from one pass over the archives."""
        task = Task(archives, group[0].name, self._options)
        with ExitStack() as stack:
            writers = {
                split.name: stack.enter_context(_writer(paths[split.name], split, overwrite))
                for split in group
            }
            items = self._items(task, writers)
            for split, samples in tmap(self._samples, items, workers=self._workers):
                writers[split].write_many(samples)
            for name, writer in writers.items():
                if not writer.written:
                    raise NotFound(f"{self._spec.name}: its archives hold no sample of {name!r}")

    def _items(self, task: Task, wanted: Iterable[str]) -> Iterator[Item]:
        given = (item._replace(split=item.split or task.split) for item in self._spec.parse(task))
        items = (item for item in given if item.split in wanted)
        if self._seed is None:
            return items
        held = list(items)
        random.Random(self._seed).shuffle(held)  # noqa: S311  # an order, no secret
        return iter(held)

    def _samples(self, item: Item) -> tuple[str, list[dict[str, Any]]]:
        """Read, convert and check one item: what runs on the workers."""
        spec = self._spec
        kind = spec.split(item.split).sample or spec.sample
        try:
            loaded = {"key": item.key} | {k: _loaded(value) for k, value in item.fields.items()}
            made = spec.convert(loaded, self._options) if spec.convert else iter([loaded])
            samples = [ordered(kind, one) for one in made]
            if self._looked:
                _look(samples)
        except FormatError as error:
            told = f"{spec.name}: sample {item.key!r} of {item.split}: {error}"
            raise CorruptSampleError(told, key=item.key, cause=str(error)) from error
        return item.split, samples

    def told(self, archives: Mapping[str, Archive]) -> dict[str, Any]:
        """The metadata that only the archives have."""
        task = Task(archives, self._spec.splits[0].name, self._options)
        return {name: tell(task) for name, tell in self._spec.meta.items()}


def _writer(path: Path, split: Split, overwrite: bool) -> FileWriter:
    return FileWriter(path, overwrite=overwrite, total=split.total)


def _loaded(value: Any) -> Any:
    if isinstance(value, list):
        return [_loaded(one) for one in value]
    return value.read() if isinstance(value, Member) else value


def _look(samples: Iterable[Mapping[str, Any]]) -> None:
    """Decode every image, for damage that no md5 would have shown."""
    for sample in samples:
        for name, value in sample.items():
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
