"""All sets by name: ours, those that other packages bring, and one's own."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from thunderlike.datasets.sets import classification, remote, saliency, segmentation, videos
from thunderlike.datasets.sets.facts import declared
from thunderlike.datasets.sets.spec import SetSpec
from thunderlike.errors import KeyMissingError, SpecError

__all__ = ["get", "names"]

_HOMES = (classification, segmentation, saliency, videos, remote)
GROUP = "thunderlike.sets"


@cache
def _ours() -> dict[str, SetSpec]:
    read_in_place = declared("YFCC100m", lambda task: ())  # noqa: ARG005  # nothing is written
    return {spec.name: spec for home in _HOMES for spec in (*home.SETS, read_in_place)}


def _all() -> dict[str, SetSpec]:
    """Ours, and those that installed packages name in the group ``thunderlike.sets``."""
    found = {point.name: _a_set(point.load(), point.value) for point in entry_points(group=GROUP)}
    return {**found, **_ours()}


def names() -> list[str]:
    """The names of all sets, those that installed packages bring too.

    Examples
    --------
    >>> len(names()), "CIFAR10" in names()
    (22, True)
    """
    return sorted(_all(), key=str.lower)


def get(name: str | SetSpec) -> SetSpec:
    """The declaration of a set.

    Parameters
    ----------
    name : str or SetSpec
        Its name, or ``module:NAME`` for a declaration in a module of one's own.

    Raises
    ------
    KeyMissingError
        When there is none.

    Examples
    --------
    >>> get("VOC2012").classes[15], get("VOC2012").colors[15]
    ('person', (192, 128, 128))
    """
    if isinstance(name, SetSpec):
        return name
    module, _, attribute = name.partition(":")
    if attribute:
        return _a_set(getattr(importlib.import_module(module), attribute, None), name)
    known = {key.lower(): spec for key, spec in _all().items()}
    if name.lower() not in known:
        raise KeyMissingError(f"there is no set {name!r}; there are {', '.join(names())}")
    return known[name.lower()]


def _a_set(found: Any, name: str) -> SetSpec:
    if not isinstance(found, SetSpec):
        raise SpecError(f"{name}: is no SetSpec but {found!r:.60}")
    return found
