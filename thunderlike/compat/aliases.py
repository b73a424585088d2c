"""Modules that can be imported although no file holds them.

`install` gives names to modules of another package (``thunder``, ``deepdish``); `submodules` puts
modules below a package of ours, each with names that other modules define.
"""

from __future__ import annotations

import importlib
import sys
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_loader
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike.errors import AlreadyImportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

__all__ = ["Contents", "contents", "install", "submodules"]

# The names of a module by the module that defines them, "module": "name name"; or a function
# "module:function" that returns the contents of every module below, by its last name.
Contents: TypeAlias = "Mapping[str, str] | str"

_installed: dict[str, ModuleType] = {}
_declared: dict[str, Contents] = {}


def install(modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Make modules importable under names of our choice, from now on in this process.

    Parameters
    ----------
    modules : mapping
        From the full name of each module to its contents, parents before their children. A module
        that is already installed stays unchanged.

    Raises
    ------
    AlreadyImportedError
        When another module of one of the names was imported before; nothing is installed then.

    Examples
    --------
    >>> install({"lightning": {"speed": 3e8}, "lightning.bolt": {"length": 5000}})
    >>> from lightning.bolt import length
    >>> import lightning
    >>> lightning.speed, length
    (300000000.0, 5000)
    """
    # All are checked before any is installed: half of a package would be worse than none.
    for name in modules:
        module = sys.modules.get(name)
        if module is not _installed.get(name):
            raise AlreadyImportedError(
                f"{name} is imported already, from {getattr(module, '__file__', 'somewhere')}: "
                "use one or the other, in a process of its own"
            )
    for name, names in modules.items():
        if name in sys.modules:
            continue
        module = module_from_spec(ModuleSpec(name, None, is_package=True))
        vars(module).update(names)
        _installed[name] = sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def submodules(package: str, table: Mapping[str, Contents]) -> None:
    """Let modules without files be imported below a package.

    A module is made when it is first imported, with ``import``, ``from ... import`` and
    ``python -m`` alike.

    Parameters
    ----------
    package : str
        Full name of an imported package, or of a module with a ``__path__``.
    table : mapping
        From the name of each module below the package, such as ``'reader.list'``, to its
        `Contents`. A module that others are below is a package; ``'sets.*'`` stands for all
        modules below ``sets``.

    Examples
    --------
    >>> submodules("thunderlike.compat", {"lists": {}, "lists.tools": {"itertools": "chain count"}})
    >>> from thunderlike.compat.lists.tools import chain
    >>> import thunderlike.compat.lists as lists
    >>> lists.tools.__all__, chain.__module__
    (['chain', 'count'], 'itertools')
    """
    _declared.update({f"{package}.{name}": names for name, names in table.items()})


def contents(module: str) -> dict[str, Any] | None:
    """Collect the names of a declared module; None for a module that is not declared.

    Parameters
    ----------
    module : str
        Its full name.

    Examples
    --------
    >>> sorted(contents("thunderlike.compat.readers"))[:2]
    ['FileNotFoundError', 'LocalFileReader']
    """
    package, _, last = module.rpartition(".")
    declared = _declared.get(module)
    if declared is None and (family := _declared.get(f"{package}.*")):
        home, _, function = str(family).partition(":")
        found: dict[str, Any] | None = getattr(importlib.import_module(home), function)(last)
        return found
    if declared is None or isinstance(declared, str):
        return None
    homes = ((importlib.import_module(home), names.split()) for home, names in declared.items())
    return {name: getattr(home, name) for home, names in homes for name in names}


# Run by the import system and by `python -m`, where __spec__ has the full name in both cases.
_SOURCE = '''\
"""``{older}``, with names that other modules of thunderlike define."""

from thunderlike.compat import aliases as _aliases

globals().update(_aliases.contents(__spec__.name))
__all__ = sorted(name for name in globals() if not name.startswith("_"))
'''
_PACKAGE = """
def __getattr__(name):
    import importlib

    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
"""
_COMMAND = """
if __name__ == "__main__" and "main" in globals():
    main()
"""


class _Finder(MetaPathFinder, InspectLoader):
    """Finds and loads the modules that `submodules` declares."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        # Called for every import that no other finder knows: the cheap test first.
        package = fullname.rpartition(".")[0]
        if fullname not in _declared and (
            f"{package}.*" not in _declared or contents(fullname) is None
        ):
            return None
        return spec_from_loader(fullname, self, is_package=self.is_package(fullname))

    def get_source(self, fullname: str) -> str:
        text = _SOURCE.format(older=fullname.removeprefix("thunderlike.compat."))
        if self.is_package(fullname):
            return text + _PACKAGE
        return text if fullname in _declared else text + _COMMAND

    def is_package(self, fullname: str) -> bool:
        return any(name.startswith(f"{fullname}.") for name in _declared)


sys.meta_path.append(_Finder())  # after the finders of files: a file of that name wins
