"""Write docs/generated/api: a page for each package, from the names in its ``__all__``.

Sphinx runs it before it reads pages, so that new public names are documented automatically.
"""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

TARGET = Path(__file__).parent / "generated" / "api"

# Public packages in the order of the reference, and the titles of their pages.
ROOMS = {
    "thunderlike": "Top level",
    "thunderlike.images": "Images",
    "thunderlike.series": "Series",
    "thunderlike.data": "Blocks",
    "thunderlike.registration": "Motion correction",
    "thunderlike.calcium": "Calcium imaging",
    "thunderlike.images.examples": "Example movies",
    "thunderlike.series.examples": "Example series",
    "thunderlike.extraction": "Extraction of cells",
    "thunderlike.factorization": "Factorization",
    "thunderlike.regression": "Regression",
    "thunderlike.hdf5": "HDF5",
    "thunderlike.datasets": "Datasets",
    "thunderlike.datasets.tools": "Tools for datasets",
    "thunderlike.datasets.sets": "Public datasets",
    "thunderlike.datasets.torch": "Datasets in torch",
    "thunderlike.batches": "Batches",
    "thunderlike.arrays": "Arrays",
    "thunderlike.viz": "Plotting",
    "thunderlike.interop": "Other libraries",
    "thunderlike.parallel": "Parallel maps",
    "thunderlike.util": "Utilities",
    "thunderlike.util.images": "Image utilities",
    "thunderlike.progress": "Progress",
    "thunderlike.config": "Settings",
    "thunderlike.storage": "Storage",
    "thunderlike.formats": "Formats",
    "thunderlike.engines": "Engines",
    "thunderlike.engines.spark": "Spark",
    "thunderlike.errors": "Errors",
    "thunderlike.testing": "Testing",
}

CONTENTS = """\
Reference
=========

Every public name with a tested example; the cost of each method on each engine; every error and its
cause.

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
    """Write the pages, and the index."""
    TARGET.mkdir(parents=True, exist_ok=True)
    rooms = {name: title for name, title in ROOMS.items() if importlib.util.find_spec(name)}
    homes: dict[int, str] = {}
    for name in sorted(rooms, key=lambda name: -name.count(".")):  # innermost package first
        write(TARGET / f"{name}.rst", page(importlib.import_module(name), rooms[name], homes))
    write(TARGET / "index.rst", contents(list(rooms)))


def write(path: Path, text: str) -> None:
    """Write a page if its text changed, because Sphinx rereads modified files."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def contents(rooms: list[str]) -> str:
    """Format the index."""
    lines = "\n".join(f"   {name}" for name in rooms)
    return f"{CONTENTS}{lines}\n"


def page(room: ModuleType, title: str, homes: dict[int, str]) -> str:
    """Format a page: docstring, links to names documented elsewhere, and the other names."""
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
    """Return whether an object has its own docstring, unlike numbers and modules."""
    return inspect.isclass(found) or inspect.isroutine(found)


def directive(room: str, name: str, found: object) -> str:
    """Format the Sphinx directive that documents a name."""
    if not inspect.isclass(found):
        return f".. autofunction:: {room}.{name}\n"
    options = "" if issubclass(found, Exception) else "   :members:\n   :inherited-members: {}\n"
    builtins = "Exception, Mapping, dict, tuple, str, int, list, Protocol, tqdm"
    return f".. autoclass:: {room}.{name}\n{options.format(builtins)}"
