"""Modules that can be imported though no file holds them."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

from thunderlike.errors import AlreadyImported

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

__all__ = ["install"]

_installed: dict[str, ModuleType] = {}


def install(modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Make modules importable under names of our choice, from now on in this process.

    Parameters
    ----------
    modules : mapping
        From the full name of each module to its contents, parents before their children. What is
        installed already stays as it is.

    Raises
    ------
    AlreadyImported
        When another module of one of the names was imported before; nothing is installed then.

    Examples
    --------
    >>> install({"lightning": {"speed": 3e8}, "lightning.bolt": {"length": 5000}})
    >>> from lightning.bolt import length
    >>> import lightning
    >>> lightning.speed, length
    (300000000.0, 5000)
    """
    for name in modules:
        _check_free(name)
    for name in modules:
        if name not in sys.modules:
            _add(name, modules[name])


def _check_free(name: str) -> None:
    module = sys.modules.get(name)
    if module is not _installed.get(name):
        raise AlreadyImported(
            f"{name} is imported already, from {getattr(module, '__file__', 'somewhere')}: "
            "use one or the other, in a process of its own"
        )


def _add(name: str, contents: Mapping[str, Any]) -> None:
    module = module_from_spec(ModuleSpec(name, None, is_package=True))
    vars(module).update(contents)
    _installed[name] = sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
