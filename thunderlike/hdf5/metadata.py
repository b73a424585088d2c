"""What Python knew and HDF5 does not: JSON in an attribute that deepdish skips.

It says what to make of a group or array, never what is in it: a file changed by another program
is read as it is now.
"""

from __future__ import annotations

import json
from typing import Any

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import attributes

__all__ = ["NAME", "delete", "read", "write"]

NAME = "DEEPDISH_IO_TL"


def write(thing: Any, known: dict[str, Any]) -> None:
    """Write it, in as many numbered attributes as it takes; nothing when nothing is known."""
    text = json.dumps(known, separators=(",", ":")) if known else ""
    size = attributes.MOST_TEXT
    for start in range(0, len(text), size):
        attributes.write(thing, _part(start // size), text[start : start + size])


def read(thing: Any, names: list[str]) -> dict[str, Any]:
    """Read it back; `names` are those of all attributes.

    Raises
    ------
    Hdf5Error
        For what is no JSON object.
    """
    count = sum(name.startswith(NAME) for name in names)
    if not count:
        return {}
    text = "".join(str(attributes.read(thing, _part(i))) for i in range(count))
    try:
        known = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Hdf5Error(f"the attribute {NAME} is damaged: {error}") from error
    if not isinstance(known, dict):
        raise Hdf5Error(f"the attribute {NAME} is damaged: no JSON object")
    return known


def delete(thing: Any) -> None:
    """Remove it, so that it can be written anew."""
    for name in attributes.names_of(thing):
        if name.startswith(NAME):
            attributes.delete(thing, name)


def _part(number: int) -> str:
    return f"{NAME}_{number}" if number else NAME
