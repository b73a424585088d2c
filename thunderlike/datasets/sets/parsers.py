"""Parsers of archives: files paired by name, pickled rows, MATLAB variables, tables."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from thunderlike.datasets.sets.spec import Item
from thunderlike.errors import FormatError
from thunderlike.formats.base import damage
from thunderlike.formats.safe_pickle import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from thunderlike.datasets.sets.spec import Options, Sample, Task

_Value = TypeVar("_Value")

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
    """Match the names of the files of a source; keys are the first group of the pattern.

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
    """Make a parser of samples whose files are paired by name.

    Parameters
    ----------
    keys : callable
        Returns, for a task, the part that the file names of each sample share.
    fields : mapping
        ``source:name`` of the file of each field, in which ``{key}`` and ``{split}`` are replaced;
        or a function of a task that returns a function from keys to values.
    named : callable
        Function from the shared part to the key of a sample.
    """

    def parse(task: Task) -> Iterator[Item]:
        finders = {
            field: rule(task) if callable(rule) else _members(task, rule)
            for field, rule in fields.items()
        }
        for key in keys(task):
            yield Item(named(key), {field: find(key) for field, find in finders.items()})

    return parse


def _members(task: Task, rule: str) -> Callable[[str], Any]:
    # `{key}` stays for later: the rule is filled in once for each task, not for each key.
    source, _, name = rule.format(key="{key}", split=task.split).partition(":")
    return lambda key: task[source].member(name.format(key=key))


def changed(**functions: Callable[[Any], Any]) -> Callable[..., Iterator[Sample]]:
    """Make a conversion that applies a function to each of some fields."""

    def convert(sample: Sample, options: Options) -> Iterator[Sample]:  # noqa: ARG001
        yield sample | {name: function(sample[name]) for name, function in functions.items()}

    return convert


def pickled_rows(
    members: Mapping[str, Sequence[str]], fields: Mapping[str, bytes], *, count_names: bool = False
) -> Callable[[Task], Iterator[Item]]:
    """Make a parser of CIFAR's batches, whose images are rows of a pickled array.

    `members` are the batches of each split, in the source ``all``; `fields` maps fields to their
    names in the batches. With `count_names`, a number is appended to repeated file names.
    """

    def parse(task: Task) -> Iterator[Item]:
        seen: Counter[str] = Counter()
        for member in members[task.split]:
            batch = load(task["all"].read(member), member)
            for name, *values in _rows(batch, [b"filenames", b"data", *fields.values()], member):
                key = name.decode()  # pickled by Python 2: names are bytes
                seen[key] += 1
                key += str(seen[key]) if count_names and seen[key] > 1 else ""
                row, *labels = values
                numbers = (int(label) for label in labels)
                yield Item(key, {"image": row, **dict(zip(fields, numbers, strict=True))})

    return parse


def _rows(batch: object, names: Sequence[bytes], what: str) -> Iterator[tuple[Any, ...]]:
    if not isinstance(batch, dict) or not set(names) <= set(batch):
        wanted = ", ".join(name.decode() for name in names)
        raise FormatError(f"{what}: not a batch of images with {wanted}")
    columns = [batch[name] for name in names]
    if len({len(column) for column in columns}) != 1:
        raise FormatError(f"{what}: the numbers of labels and images differ")
    return zip(*columns, strict=True)


def base(name: str) -> str:
    """Return the last part of a name."""
    return PurePosixPath(name).name


def tail(name: str) -> str:
    """Return the last two parts of a name."""
    return "/".join(name.split("/")[-2:])


def of_key(known: Mapping[str, _Value], key: str, what: str) -> _Value:
    """Look a sample up by key; FormatError for an unknown one."""
    try:
        return known[key]
    except KeyError:
        raise FormatError(
            f"the files of the set have no {what} of {key!r}; download them again"
        ) from None


def mat(data: bytes, *names: str) -> dict[str, Any]:
    """Load variables of a MATLAB file, all by default; FormatError for a missing one."""
    from scipy.io import loadmat

    with damage("matlab"):
        found = loadmat(io.BytesIO(data), variable_names=names or None)
    if missing := set(names) - set(found):
        raise FormatError(f"a MATLAB file has no variable {sorted(missing)[0]!r}")
    # scipy adds `__header__` and the like.
    return {name: value for name, value in found.items() if not name.startswith("__")}


def mats(dig: Callable[[Any], Any], data: bytes) -> Any:
    """Extract a part of the only variable of a MATLAB file; FormatError where it is missing."""
    # `dig` may raise nearly anything for a file of another structure: all is damage.
    with damage("matlab"):
        (value,) = mat(data).values()
        return dig(value)


def texts(cells: NDArray[Any]) -> list[str]:
    """Return the texts of a cell array; empty cells are empty texts."""
    return [str(cell.item()) if cell.size else "" for cell in cells.ravel()]


def table(lines: Iterable[str], separator: str | None = None) -> list[list[str]]:
    """Split each line into cells."""
    return [line.strip().split(separator) for line in lines]


def floats(value: ArrayLike, columns: int = 0) -> NDArray[np.float32]:
    """Convert numbers to float32, in rows of `columns` entries unless that is 0."""
    found = np.asarray(value).astype(np.float32)
    return found.reshape(-1, columns) if columns else found
