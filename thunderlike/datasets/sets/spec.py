"""What a set is: its files, its splits, and how archives become samples. Data, no code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from thunderlike.datasets.download import Source
from thunderlike.errors import KeyMissingError, SpecError

if TYPE_CHECKING:
    from thunderlike.datasets.archives import Archive

__all__ = ["KINDS", "Item", "Option", "SetSpec", "Source", "Split", "Task"]

KINDS = ("classification", "segmentation", "saliency", "remote sensing", "other")

Options: TypeAlias = Mapping[str, Any]
Sample: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Split:
    """A part of a set: one dataset.

    Parameters
    ----------
    name, out : str
        Such as ``'train'``; the file is ``NAME.msgpack`` unless `out` names it.
    total : int
        How many samples it has, for showing progress; 0 when that is not known.
    sample, needs : str, tuple of str
        A type of sample other than the set's; the sources it is made from, all by default.

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
        """The name of the dataset's file."""
        return self.out or f"{self.name}.msgpack"


@dataclass(frozen=True)
class Option:
    """Something a user may choose: a keyword of ``write``, a flag of the command line.

    Parameters
    ----------
    name, help : str
        The keyword, and what it does, in a line.
    flags : tuple of str
        For the command line; ``--name`` by default.
    default, settings : Any, mapping
        When it is not given; what ``ArgumentParser.add_argument`` is told, a switch by default.

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
    """A sample before its bytes are read: light enough to hold a million of, for shuffling.

    ``fields`` has values, or members of archives (or lists of them) in place of their bytes.
    ``split`` is said by sets that are read in one pass.

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
    """What a parser is given: the open archives, the split, and what the user chose.

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
    """One declaration: all that is known of a set.

    Parameters
    ----------
    name, about : str
        What it is called, and a sentence about it.
    kind : str
        One of ``KINDS``.
    sample : str
        A name of ``TYPES``, or fields in order, such as ``'key image label'``.
    sources : mapping, or function of the options to one
        Files by short names.
    splits : tuple of Split
        What is written.
    parse : callable
        ``parse(task)`` gives an :class:`Item` for each sample.
    convert : callable, optional
        ``convert(sample, options)`` gives the samples that an item becomes once its bytes are read:
        one, several tiles, or none. Pure, for it runs on many threads.
    options : tuple of Option
        What a user may choose.
    shuffle : bool
        Whether samples are shuffled unless the user says otherwise; without, the order of the
        archives is kept, and archives can be read as streams.
    one_pass : bool
        Items say their split, and all splits are written at once.
    size : str
        Of the downloads.
    registration : bool
        Whether the publisher asks for one.
    manual, see : str
        How files come that cannot be fetched; where to read on.
    classes, colors : tuple
        Names, and RGB triples, by label.
    meta : mapping
        Names to functions of a task: what else the archives tell, written to ``NAME.meta.json``.
        Each is also a flag of the command line, which prints it.
    weights : str
        The split whose ``label_image`` pixels are counted when weights are asked for.

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
        """All options, those not given with their defaults; SpecError for one it does not have."""
        defaults = {option.name: option.default for option in self.options}
        if unknown := set(given) - set(defaults):
            known = ", ".join(defaults) or "none"
            raise SpecError(f"{self.name} has no option {sorted(unknown)[0]!r}; it has {known}")
        return {**defaults, **given}

    def files(self, options: Options, splits: Iterable[Split] = ()) -> dict[str, Source]:
        """The sources that these options and splits need; all splits by default."""
        found = self.sources(options) if callable(self.sources) else self.sources
        chosen = [split.needs or tuple(found) for split in splits or self.splits]
        return {name: found[name] for name in found if any(name in needs for needs in chosen)}

    def split(self, name: str) -> Split:
        """The split of a name; KeyMissingError when there is none."""
        for split in self.splits:
            if split.name == name:
                return split
        names = ", ".join(split.name for split in self.splits)
        raise KeyMissingError(f"{self.name} has no split {name!r}; it has {names}")
