"""How the entries of a file become the lines of ``thunderlike ls``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thunderlike._text import printable
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Drawing", "Entry", "Tree"]

_NARROWEST, _WIDEST = 20, 80
_ENDS = 5  # of more than 50 entries, so many at each end are shown
_MANY = 50


@dataclass
class Entry:
    """One row: where it is, what it is, and its size.

    Attributes
    ----------
    path : str
    kind : str
        ``'array'``, ``'dict'``, ``'list'``, ``'scalar'``, ``'DataFrame'``, ``'link'`` ...
    text : str
        What ``thunderlike ls`` shows.
    shape, dtype : optional
        Of what has them.
    compression : str
        Of an array, as ``zlib lvl1``.
    entries : list of Entry
        What is in it.
    """

    path: str
    kind: str
    text: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    compression: str = ""
    entries: list[Entry] = field(default_factory=list)

    @property
    def level(self) -> int:
        """How deep it is: 1 for entries of the root."""
        return 0 if self.path == "/" else self.path.count("/")

    def walk(self) -> Iterator[Entry]:
        """Yield it and all below it, in order."""
        waiting = [self]
        while waiting:
            entry = waiting.pop()
            yield entry
            waiting.extend(reversed(entry.entries))


@dataclass
class Tree:
    """All that is in a file, below one group.

    Attributes
    ----------
    root : Entry
    starred : bool
        The file holds one value that is no dictionary, under the name ``data``.
    """

    root: Entry
    starred: bool = False

    def __iter__(self) -> Iterator[Entry]:
        """All entries, in order, without the root."""
        entries = self.root.walk()
        if self.root.path == "/":
            next(entries)
        return entries

    def __str__(self) -> str:
        return self.text()

    def text(self, **options: Any) -> str:
        """Draw it, as :class:`Drawing` takes the options.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.save("memory://deep.h5", {"a": {"b": {"c": 1}}})
        >>> print(tl.hdf5.ls("memory://deep.h5").text(depth=2))
        /a                 dict
        /a/b               dict (1) {...}
        """
        return "\n".join(Drawing(**options).lines(self))


def _starred(path: str) -> str:
    """Mark the one entry that `load` gives in place of the file."""
    return printable(path) + ("*" if path == "/data" else "")


def _cut(name: str, length: int) -> str:
    """Shorten a path at its end; in a narrow column at its start, where all paths are alike."""
    if len(name) <= length:
        return name
    kept = max(1, length - 3)
    return f"{name[:kept]}..." if length >= _NARROWEST - 2 else f"...{name[-kept:]}"


@dataclass
class Drawing:
    """How a tree becomes lines.

    Parameters
    ----------
    depth : int
        Levels to show.
    everything : bool
        Show all of more than 50 entries.
    leaves : bool
        Show what holds nothing only.
    compression : bool
        Say how arrays are compressed.
    pattern : str
        Show paths in which this regular expression is found.
    width : int, optional
        Of the left column.
    """

    depth: int = 4
    everything: bool = False
    leaves: bool = False
    compression: bool = False
    pattern: str = ""
    width: int | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise SpecError(f"{self.pattern!r:.60} is not a regular expression: {error}") from error

    def lines(self, tree: Tree) -> Iterator[str]:
        """Return the lines, one for each entry that is shown."""
        rows = list(self._rows(tree))
        named = [(_starred(path) if tree.starred else printable(path), text) for path, text in rows]
        longest = max((len(name) + 2 for name, _ in named), default=0)
        width = self.width or min(max(longest, _NARROWEST), _WIDEST)
        for name, text in named:
            yield f"{_cut(name, width - 2):<{width - 1}}{printable(text)}"
        if self.pattern:
            hidden = sum(1 for entry in tree if not re.search(self.pattern, entry.path))
            yield f"Filtered on: {self.pattern} ({hidden} rows omitted)"

    def _rows(self, tree: Tree) -> Iterator[tuple[str, str]]:
        top = tree.root.level
        waiting: list[Any] = [tree.root] if tree.root.path != "/" else self._shown(tree.root)[::-1]
        while waiting:
            entry = waiting.pop()
            if isinstance(entry, str):
                yield "", entry
                continue
            cut = entry.level - top >= self.depth
            if self._wanted(entry):
                yield entry.path, self._text(entry, cut=cut)
            if not cut:
                waiting.extend(reversed(self._shown(entry)))

    def _wanted(self, entry: Entry) -> bool:
        if self.leaves and entry.entries:
            return False
        return not self.pattern or re.search(self.pattern, entry.path) is not None

    def _text(self, entry: Entry, *, cut: bool) -> str:
        if cut and entry.entries:
            brackets = {"list": "[...]", "tuple": "(...)"}.get(entry.kind, "{...}")
            return f"{entry.text} ({len(entry.entries)}) {brackets}"
        more = f" {entry.compression}" if self.compression and entry.compression else ""
        return entry.text + more

    def _shown(self, entry: Entry) -> list[Any]:
        """Entries, those in the middle of very many left out; lists are shown whole."""
        found, count = entry.entries, len(entry.entries)
        if self.everything or self.pattern or count <= _MANY or entry.kind in ("list", "tuple"):
            return list(found)
        note = f"... {count - 2 * _ENDS} omitted ({count} in total)"
        return [*found[:_ENDS], note, *found[-_ENDS:]]
