"""Write docs/generated/api: a page for each room, made from what the room lists as public.

Sphinx runs it before it reads pages, so that a new public name is documented by being public.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

TARGET = Path(__file__).parent / "generated" / "api"

# The rooms that people use, in the order in which they meet them, and what each page is called.
ROOMS = {
    "thunderlike": "Everywhere",
    "thunderlike.images": "Images",
    "thunderlike.series": "Series",
    "thunderlike.data": "Blocks",
    "thunderlike.images.examples": "Made-up movies",
    "thunderlike.series.examples": "Made-up series",
    "thunderlike.hdf5": "HDF5",
    "thunderlike.datasets": "Datasets",
    "thunderlike.datasets.tools": "Tools for datasets",
    "thunderlike.datasets.sets": "Public data sets",
    "thunderlike.datasets.torch": "Datasets in torch",
    "thunderlike.batches": "Batches",
    "thunderlike.arrays": "Arrays",
    "thunderlike.viz": "Pictures",
    "thunderlike.interop": "Other libraries",
    "thunderlike.parallel": "Parallel maps",
    "thunderlike.util": "Small helpers",
    "thunderlike.util.images": "Helpers for single images",
    "thunderlike.progress": "Progress",
    "thunderlike.config": "Settings",
    "thunderlike.storage": "Storage",
    "thunderlike.formats": "Formats",
    "thunderlike.engines": "Engines",
    "thunderlike.engines.spark": "Spark",
    "thunderlike.errors": "Errors",
    "thunderlike.testing": "For your tests",
}

CONTENTS = """\
Reference
=========

Every public name with an example, which the tests run; what each method costs, and on which engine;
every error, and when it is raised.

.. toctree::
   :maxdepth: 1
   :caption: Tables

   /reference
   /errors

.. toctree::
   :maxdepth: 1
   :caption: Names

"""


def main() -> None:
    """Write a page for each room that there is, and one that lists them."""
    TARGET.mkdir(parents=True, exist_ok=True)
    rooms = {name: title for name, title in ROOMS.items() if importlib.util.find_spec(name)}
    homes: dict[int, str] = {}
    for name in sorted(rooms, key=lambda name: -name.count(".")):  # the innermost is the home
        write(TARGET / f"{name}.rst", page(importlib.import_module(name), rooms[name], homes))
    write(TARGET / "index.rst", contents(list(rooms)))


def write(path: Path, text: str) -> None:
    """Write a page, unless it says that already: Sphinx reads again only what changed."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def contents(rooms: list[str]) -> str:
    """The page that lists the rooms."""
    lines = "\n".join(f"   {name}" for name in rooms)
    return f"{CONTENTS}{lines}\n"


def page(room: ModuleType, title: str, homes: dict[int, str]) -> str:
    """The page of a room: its docstring, links to names that live elsewhere, all others in full."""
    names = [name for name in sorted(getattr(room, "__all__", ())) if is_own(getattr(room, name))]
    elsewhere = [homes[id(found)] for name in names if id(found := getattr(room, name)) in homes]
    fresh = [name for name in names if id(getattr(room, name)) not in homes]
    homes |= {id(getattr(room, name)): f"{room.__name__}.{name}" for name in fresh}
    head = f"{title}\n{'=' * len(title)}\n\n``{room.__name__}``\n\n"
    head += f".. automodule:: {room.__name__}\n   :no-members:\n\n"
    if elsewhere:
        head += "Also here: " + ", ".join(f":obj:`~{name}`" for name in elsewhere) + ".\n\n"
    return head + "\n".join(directive(room.__name__, name, getattr(room, name)) for name in fresh)


def is_own(found: object) -> bool:
    """Say whether an object has a docstring of its own; numbers and modules have none."""
    return inspect.isclass(found) or inspect.isroutine(found)


def directive(room: str, name: str, found: object) -> str:
    """What tells Sphinx to document a name."""
    if not inspect.isclass(found):
        return f".. autofunction:: {room}.{name}\n"
    options = "" if issubclass(found, Exception) else "   :members:\n   :inherited-members: {}\n"
    builtins = "Exception, Mapping, dict, tuple, str, int, list, Protocol"
    return f".. autoclass:: {room}.{name}\n{options.format(builtins)}"
