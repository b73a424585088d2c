"""What archives of many sets have in common: pairs of files, lists, MATLAB variables, tables."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.sets.spec import Item
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage
from thunderlike.formats.safe_pickle import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from thunderlike.datasets.sets.spec import Options, Sample, Task

__all__ = [
    "base",
    "changed",
    "floats",
    "mat",
    "matching",
    "mats",
    "of_key",
    "paired",
    "pickled_rows",
    "table",
    "tail",
    "texts",
]


def matching(source: str, pattern: str) -> Callable[[Task], list[str]]:
    """The keys in the names of a source's files: the first group of a pattern that fits all of one.

    ``{split}`` stands for the split, in the name of the source too.
    """

    def keys(task: Task) -> list[str]:
        wanted = re.compile(pattern.replace("{split}", task.split))
        names = task[source.format(split=task.split)].names
        return [found[1] for found in map(wanted.fullmatch, names) if found]

    return keys


def paired(
    keys: Callable[[Task], Iterable[str]],
    fields: Mapping[str, str | Callable[[Task], Callable[[str], Any]]],
    named: Callable[[str], str] = str,
) -> Callable[[Task], Iterator[Item]]:
    """A parser for files that belong together by their names.

    Parameters
    ----------
    keys : callable
        Gives, for a task, what the names of a sample's files have in common.
    fields : mapping
        Of each field ``source:name`` of its file, in which ``{key}`` and ``{split}`` are filled in;
        or a function from a task to one from a key to a value.
    named : callable
        From what names have in common to the key of a sample.
    """

    def parse(task: Task) -> Iterator[Item]:
        finders = {
            field: told(task) if callable(told) else _members(task, told)
            for field, told in fields.items()
        }
        for key in keys(task):
            yield Item(named(key), {field: find(key) for field, find in finders.items()})

    return parse


def _members(task: Task, told: str) -> Callable[[str], Any]:
    source, _, name = told.format(key="{key}", split=task.split).partition(":")
    return lambda key: task[source].member(name.format(key=key))


def changed(**functions: Callable[[Any], Any]) -> Callable[..., Iterator[Sample]]:
    """A conversion of samples one by one: functions of the values of some fields."""

    def convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
        yield sample | {name: function(sample[name]) for name, function in functions.items()}

    return convert


def pickled_rows(
    members: Mapping[str, Sequence[str]], fields: Mapping[str, bytes], *, count_names: bool = False
) -> Callable[[Task], Iterator[Item]]:
    """A parser for CIFAR's batches: images are rows of a pickled array.

    `members` are the batches of each split, in the source ``all``; `fields` tells what the batches
    call a field. With `count_names`, files of the same name get a number after it.
    """

    def parse(task: Task) -> Iterator[Item]:
        seen: Counter[str] = Counter()
        for member in members[task.split]:
            batch = load(task["all"].read(member), member)
            for name, *values in _rows(batch, [b"filenames", b"data", *fields.values()], member):
                key = name.decode()
                seen[key] += 1
                key += str(seen[key]) if count_names and seen[key] > 1 else ""
                row, *labels = values
                numbers = (int(label) for label in labels)
                yield Item(key, {"image": row, **dict(zip(fields, numbers, strict=True))})

    return parse


def _rows(batch: Any, names: Sequence[bytes], what: str) -> Iterator[tuple[Any, ...]]:
    if not isinstance(batch, dict) or not set(names) <= set(batch):
        wanted = ", ".join(name.decode() for name in names)
        raise FormatError(f"{what}: is no batch of images with {wanted}")
    columns = [batch[name] for name in names]
    if len({len(column) for column in columns}) != 1:
        raise FormatError(f"{what}: has not as many labels as images")
    return zip(*columns, strict=True)


def base(name: str) -> str:
    """The last part of a name."""
    return PurePosixPath(name).name


def tail(name: str) -> str:
    """The last two parts of a name."""
    return "/".join(name.split("/")[-2:])


def of_key(known: Mapping[str, Any], key: str, what: str) -> Any:
    """What is known of a sample; FormatError when nothing is."""
    try:
        return known[key]
    except KeyError:
        raise FormatError(
            f"the files of the set tell no {what} of {key!r}; get them anew"
        ) from None


def mat(data: bytes, *names: str) -> dict[str, Any]:
    """The variables of a MATLAB file, of the names asked for; FormatError when one is missing."""
    from scipy.io import loadmat

    with damage("matlab"):
        found = loadmat(io.BytesIO(data), variable_names=names or None)
    if missing := set(names) - set(found):
        raise FormatError(f"a MATLAB file has no variable {sorted(missing)[0]!r}")
    return {name: value for name, value in found.items() if not name.startswith("__")}


def mats(dig: Callable[[Any], Any], data: bytes) -> Any:
    """What lies deep in the one variable of a MATLAB file; FormatError where nothing does."""
    with damage("matlab"):
        (value,) = mat(data).values()
        return dig(value)


def texts(cells: NDArray[Any]) -> list[str]:
    """The texts in a cell array; empty cells are empty texts."""
    return [str(cell.item()) if cell.size else "" for cell in cells.ravel()]


def table(lines: Iterable[str], separator: str | None = None) -> list[list[str]]:
    """The cells of each line."""
    return [line.strip().split(separator) for line in lines]


def floats(value: Any, columns: int = 0) -> NDArray[np.float32]:
    """Numbers as float32, in rows of so many columns where that is said."""
    found = np.asarray(value).astype(np.float32)
    return found.reshape(-1, columns) if columns else found
