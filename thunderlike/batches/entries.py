"""Names of what a file holds: components, and what the file needs besides them.

Brackets keep the two apart. The labels of the items are ``[labels]``. A component has its own
name, unless that begins with a bracket or is one that the format uses itself: then it stands in
brackets once more. Files of earlier versions have their labels first, as ``labels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["LABELS", "Table", "component_of", "entry_of", "separated"]

Table = tuple[Any, dict[str, Any]]  # labels or None, and the values of each component
LABELS = "[labels]"
_EARLIER = "labels"


def entry_of(component: str, *, used: bool = False) -> str:
    """Return the name of a component in a file.

    Parameters
    ----------
    used : bool
        Whether the format uses that name itself.

    Examples
    --------
    >>> entry_of("image"), entry_of("labels"), entry_of("[labels]"), entry_of("key", used=True)
    ('image', 'labels', '[[labels]]', '[key]')
    """
    return f"[{component}]" if used or component.startswith("[") else component


def component_of(entry: str) -> str:
    """Return the component of an entry: the inverse of :func:`entry_of`."""
    return entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry


def separated(entries: dict[str, Any], asked: Collection[str] = ()) -> Table:
    """Separate the labels from the components of a file.

    Parameters
    ----------
    entries : dict
        In the order of the file.
    asked : collection of str
        Components that the caller names: such an entry is no list of labels.

    Returns
    -------
    tuple
        Labels, None where the file has none; and components by name.
    """
    labels = entries.get(LABELS)
    first = next(iter(entries), None)
    if labels is None and first == _EARLIER and first not in asked and _is_unique(entries[first]):
        labels = entries[first]
        entries = {name: values for name, values in entries.items() if name != first}
    return labels, {component_of(n): values for n, values in entries.items() if n != LABELS}


def _is_unique(values: Any) -> bool:
    """Whether values stand in one row, each once: only then may they be labels."""
    array = np.asarray(values)
    return array.ndim == 1 and len(set(array.tolist())) == len(array)
