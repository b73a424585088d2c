"""Import on first use: the one place that turns a missing library into a sentence."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from thunderlike.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

__all__ = ["attributes", "optional", "resolve"]


def optional(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra of thunderlike brings it.

    Raises
    ------
    MissingExtraError
        If it is not installed.

    Examples
    --------
    >>> optional("no_library", extra="viz")
    Traceback (most recent call last):
    ...
    thunderlike.errors.MissingExtraError: no_library is not installed: pip install ...
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != name:
            raise  # it is there, and something that it needs is not
        raise MissingExtraError(
            f"{name} is not installed: pip install 'thunderlike[{extra}]'"
        ) from None


def resolve(home: str) -> Any:
    """Import ``module``, or the attribute that ``module:attribute`` names.

    A short method of a collection, such as ``images.register``, finds its package above in this
    way.

    Examples
    --------
    >>> resolve("math:floor")(2.5)
    2
    """
    module, _, attribute = home.partition(":")
    found: Any = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Give a package a ``__getattr__`` that imports each public name from its home on first use.

    `homes` maps a name to ``module`` (the name is that module) or ``module:attribute``.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  # installed as the package's own
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = resolve(homes[name])
        # An attribute of the package from now on: `__getattr__` is called for missing ones only.
        setattr(sys.modules[package], name, found)
        return found

    return __getattr__
