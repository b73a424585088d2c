"""Declarations of sets: sources, splits, options, types of samples, facts of ``catalog.toml``.

Examples
--------
>>> from thunderlike.datasets.sets import spec
>>> spec.ImageClassificationData("a.jpg", b"...", label=3)
{'key': 'a.jpg', 'image': b'...', 'label': 3}
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from thunderlike.datasets.download import Source
from thunderlike.errors import KeyMissingError, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.datasets.archives import Archive

__all__ = [
    "FIELDS",
    "KINDS",
    "TYPES",
    "Item",
    "Option",
    "SetSpec",
    "Source",
    "Split",
    "Task",
    "declared",
    "fields_of",
    "ordered",
    "sources",
]


# Fields of each type, in order.
TYPES = {
    "ImageData": "key image",
    "ImageClassificationData": "key image label",
    "ImageCoarseClassificationData": "key image label coarse_label",
    "ImageNet21kData": "key image label label_tree",
    "ImageSegmentationData": "key image label_image",
    "ImageInstanceSegmentationData": "key image label_image instance_image",
    "ImageDisparitySegmentationData": "key image label_image disparity_image",
    "MaskedImageSegmentationData": "key image label_image mask",
    "ADE20kData": "key image label label_image parts_images",
    "Places2017Data": "key image label label_image instance_image boundary",
    "SaliencyData": "key image experiments",
    "ANP460Data": "key image experiments anp type",
    "SaliencyExperiment": "locations map",
    "SaliencyTimeseriesExperiment": "locations map timestamps fixations",
    "ANP460Experiment": "locations map answer duration",
}

# Types of the fields; images are encoded files, or arrays in the sets of satellite images.
FIELDS: dict[str, Any] = {
    **dict.fromkeys(("key", "anp", "type", "answer"), str),
    **dict.fromkeys(("label", "coarse_label"), int),
    **dict.fromkeys(("image", "label_image"), "bytes | NDArray"),
    **dict.fromkeys(("instance_image", "disparity_image"), bytes),
    **dict.fromkeys(("mask", "timestamps", "fixations"), "NDArray"),
    **dict.fromkeys(("locations", "map"), "NDArray | None"),
    "label_tree": "list[int]",
    "parts_images": "list[bytes]",
    "boundary": "list[list[NDArray]]",
    "experiments": "list[dict[str, Any]]",
    "duration": float,
}


def fields_of(sample: str) -> list[str]:
    """Return the fields of a type, or of a space-separated list.

    Examples
    --------
    >>> fields_of("ImageData"), fields_of("key image caption")
    (['key', 'image'], ['key', 'image', 'caption'])
    """
    return TYPES.get(sample, sample).split()


def ordered(sample: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sample with its fields in the order of its type.

    Raises
    ------
    SpecError
        For missing or unknown fields.
    """
    names = fields_of(sample)
    if set(names) != set(values):
        odd = ", ".join(sorted(set(names) ^ set(values)))
        raise SpecError(f"a sample of {sample!r} has the fields {names}; missing or unknown: {odd}")
    return {name: values[name] for name in names}


def _maker(name: str) -> Callable[..., dict[str, Any]]:
    kinds = {field: FIELDS[field] for field in fields_of(name)}
    given = [Parameter(k, Parameter.POSITIONAL_OR_KEYWORD, annotation=v) for k, v in kinds.items()]
    signature = Signature(given, return_annotation="dict[str, Any]")

    def make(*args: object, **kwargs: object) -> dict[str, Any]:
        found = signature.bind(*args, **kwargs).arguments
        return {field: found[field] for field in kinds}

    # As if written out, for `help`, `inspect.signature` and documentation.
    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Make a sample, a dict of {', '.join(kinds)}."
    make.__annotations__ = {**kinds, "return": "dict[str, Any]"}
    make.__signature__ = signature  # type: ignore[attr-defined]  # read by `inspect`
    return make


# A constructor of each type, by its name, as datadings has them.
globals().update({_name: _maker(_name) for _name in TYPES})
__all__ += list(TYPES)


KINDS = ("classification", "segmentation", "saliency", "remote sensing", "other")

Options: TypeAlias = Mapping[str, Any]
Sample: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """Part of a set that becomes one dataset.

    Parameters
    ----------
    name, out : str
        Such as ``'train'``; the file is ``NAME.msgpack`` unless `out` is given.
    total : int
        Number of samples, for progress; 0 if unknown.
    sample, needs : str, tuple of str
        Type of sample, if not that of the set; sources that it is made from, all by default.

    Examples
    --------
    >>> Split("train", total=50000).file, Split("val", out="validation.msgpack").file
    ('train.msgpack', 'validation.msgpack')
    """

    name: str
    total: int = 0
    out: str = ""
    sample: str = ""
    needs: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """File name of the dataset."""
        return self.out or f"{self.name}.msgpack"


@dataclass(frozen=True)
class Option:
    """Option of a set: a keyword of ``write`` and a flag of the command line.

    Parameters
    ----------
    name, help : str
        Keyword, and a description in one line.
    flags : tuple of str
        For the command line; ``--name`` by default.
    default, settings : Any, mapping
        Default value; keywords of ``ArgumentParser.add_argument``, those of a switch by default.

    Examples
    --------
    >>> small = Option("small", "Write small images.")
    >>> small.default, small.settings
    (False, {'action': 'store_true'})
    """

    name: str
    help: str
    flags: tuple[str, ...] = ()
    default: Any = False
    settings: Mapping[str, Any] = field(default_factory=lambda: {"action": "store_true"})


class Item(NamedTuple):
    """Sample whose bytes are not read yet: light enough to shuffle a million of them in memory.

    ``fields`` has values, or members of archives (or lists of them) in place of their bytes.
    ``split`` is set by sets that are read in one pass.

    Examples
    --------
    >>> item = Item("rex.jpg", {"label": 3})
    >>> item.key, item._replace(split="train").split
    ('rex.jpg', 'train')
    """

    key: str
    fields: dict[str, Any]
    split: str = ""


class Task:
    """Input of a parser: open archives, split and options.

    Examples
    --------
    >>> task = Task({"photos": "an open archive"}, "train", {"small": True})
    >>> task["photos"], task.split, task.options["small"]
    ('an open archive', 'train', True)
    """

    def __init__(self, archives: Mapping[str, Archive], split: str, options: Options) -> None:
        self._archives, self.split, self.options = archives, split, options

    def __getitem__(self, source: str) -> Archive:
        return self._archives[source]


@dataclass(frozen=True)
class SetSpec:
    """Declaration of a set.

    Parameters
    ----------
    name, about : str
        Name, and a description in one sentence.
    kind : str
        One of ``KINDS``.
    sample : str
        Name in ``TYPES``, or fields in order, such as ``'key image label'``.
    sources : mapping, or function of the options to one
        Files by short names.
    splits : tuple of Split
        Datasets that are written.
    parse : callable
        ``parse(task)`` yields an :class:`Item` for each sample.
    convert : callable, optional
        ``convert(sample, options)`` yields the samples of an item once its bytes are read: one,
        several tiles, or none. It runs on many threads and must have no side effects.
    options : tuple of Option
        Options of the set.
    shuffle : bool
        Whether samples are shuffled by default. If not, samples keep the order of the archives,
        and archives can be read as streams.
    one_pass : bool
        Whether items have their split, and all splits are written in one pass.
    size : str
        Size of the downloads.
    registration : bool
        Whether the publisher requires registration.
    manual, see : str
        Instructions for files that cannot be downloaded; address of the set's page.
    classes, colors : tuple
        Names and RGB colours, by label.
    meta : mapping
        Functions of a task by name, whose results are written to ``NAME.meta.json``. Each is also
        a flag of the command line, which prints the result.
    weights : str
        Split whose ``label_image`` pixels are counted for class weights.

    Examples
    --------
    >>> def parse(task):
    ...     photos = task["photos"]
    ...     return (Item(name, {"image": photos.member(name)}) for name in photos.names)
    >>> pets = SetSpec(
    ...     name="Pets",
    ...     about="Photos of pets.",
    ...     kind="other",
    ...     sample="key image",
    ...     sources={"photos": Source("photos.zip")},
    ...     splits=(Split("train"),),
    ...     parse=parse,
    ... )
    >>> pets.split("train").file, list(pets.files({}))
    ('train.msgpack', ['photos'])
    """

    name: str
    about: str
    kind: str
    sample: str
    sources: Mapping[str, Source] | Callable[[Options], Mapping[str, Source]]
    splits: tuple[Split, ...]
    parse: Callable[[Task], Iterable[Item]]
    convert: Callable[[Sample, Options], Iterator[Sample]] | None = None
    options: tuple[Option, ...] = ()
    shuffle: bool = True
    one_pass: bool = False
    size: str = ""
    registration: bool = False
    manual: str = ""
    see: str = ""
    classes: tuple[str, ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ()
    meta: Mapping[str, Callable[[Task], Any]] = field(default_factory=dict)
    weights: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SpecError(f"{self.name}: kind is one of {', '.join(KINDS)}, not {self.kind!r}")

    def chosen(self, given: Options) -> dict[str, Any]:
        """Return all options, with defaults; SpecError for an unknown one."""
        defaults = {option.name: option.default for option in self.options}
        if unknown := set(given) - set(defaults):
            known = ", ".join(defaults) or "none"
            raise SpecError(
                f"{self.name} has no option {sorted(unknown)[0]!r}; its options: {known}"
            )
        return {**defaults, **given}

    def files(self, options: Options, splits: Iterable[Split] = ()) -> dict[str, Source]:
        """Return the sources that these options and splits need; all splits by default."""
        found = self.sources(options) if callable(self.sources) else self.sources
        # Each source once, in the order of its declaration, whatever splits need it.
        chosen = [split.needs or tuple(found) for split in splits or self.splits]
        return {name: found[name] for name in found if any(name in needs for needs in chosen)}

    def split(self, name: str) -> Split:
        """Return a split by name; KeyMissingError for an unknown one."""
        for split in self.splits:
            if split.name == name:
                return split
        names = ", ".join(split.name for split in self.splits)
        raise KeyMissingError(f"{self.name} has no split {name!r}; its splits: {names}")


def declared(
    name: str,
    parse: Callable[[Task], Iterable[Item]],
    convert: Callable[[Sample, Options], Iterator[Sample]] | None = None,
    **more: Any,
) -> SetSpec:
    """Declare a set from its entry in ``catalog.toml``, its functions and further fields."""
    facts = {key: value for key, value in _catalog()[name].items() if key not in _NO_FIELDS}
    splits = tuple(
        Split(split, **(entry if isinstance(entry, dict) else {"total": entry}))
        for split, entry in _catalog()[name].get("splits", {}).items()
    )
    # Functions and further fields of the caller win over the catalogue.
    facts |= {"name": name, "sources": sources(name), "splits": splits}
    return SetSpec(**facts | more, parse=parse, convert=convert)


_NO_FIELDS = ("url", "files", "by_hand", "splits")  # entries that SetSpec has under other names


def sources(name: str) -> dict[str, Source]:
    """Return the files of a set by short names."""
    facts = _catalog()[name]
    fetched = {
        # A file of three entries has an address of its own, others are below that of the set.
        short: _at(*(entry if len(entry) == 3 else [*entry, facts["url"]]))
        for short, entry in facts.get("files", {}).items()
    }
    return fetched | {short: Source(*entry) for short, entry in facts.get("by_hand", {}).items()}


def _at(path: str, md5: str, url: str) -> Source:
    return Source(path, md5, url + path if url.endswith("/") else url)


@cache
def _catalog() -> dict[str, dict[str, Any]]:
    """Load ``catalog.toml``: the facts of each set, with its kind."""
    kinds = tomllib.loads(Path(__file__).with_name("catalog.toml").read_text("utf-8"))
    return {
        name: {"kind": kind, **_fixed(facts)}
        for kind, sets in kinds.items()
        for name, facts in sets.items()
    }


def _fixed(entry: object) -> Any:
    """Replace lists by tuples at any depth, so that cached facts cannot change."""
    if isinstance(entry, dict):
        return {name: _fixed(value) for name, value in entry.items()}
    return tuple(map(_fixed, entry)) if isinstance(entry, list) else entry
