"""Catalogue of sets by name: built-in ones, those of other packages, and declarations by module."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from thunderlike.datasets.sets import classification, saliency, segmentation
from thunderlike.datasets.sets.spec import SetSpec, declared
from thunderlike.errors import KeyMissingError, SpecError

__all__ = ["get", "names"]

GROUP = "thunderlike.sets"


_READ_IN_PLACE = declared("YFCC100m", lambda task: ())  # noqa: ARG005  # nothing is written
_BUILT_IN = {
    spec.name: spec
    for spec in (*classification.SETS, *segmentation.SETS, *saliency.SETS, _READ_IN_PLACE)
}


def _all() -> dict[str, SetSpec]:
    """Return built-in sets and the entry points of the group ``thunderlike.sets``."""
    found = {point.name: _checked(point.load(), point.value) for point in entry_points(group=GROUP)}
    return {**found, **_BUILT_IN}  # a built-in name cannot be taken by another package


def names() -> list[str]:
    """Return the names of all sets, those of installed packages included.

    Examples
    --------
    >>> len(names()), "CIFAR10" in names()
    (22, True)
    """
    return sorted(_all(), key=str.lower)


def get(name: str | SetSpec) -> SetSpec:
    """Return the declaration of a set.

    Parameters
    ----------
    name : str or SetSpec
        Its name, or ``module:NAME`` for a declaration in any importable module.

    Raises
    ------
    KeyMissingError
        For an unknown name.

    Examples
    --------
    >>> get("VOC2012").classes[15], get("VOC2012").colors[15]
    ('person', (192, 128, 128))
    """
    if isinstance(name, SetSpec):
        return name
    module, _, attribute = name.partition(":")
    if attribute:
        return _checked(getattr(importlib.import_module(module), attribute, None), name)
    known = {key.lower(): spec for key, spec in _all().items()}
    if name.lower() not in known:
        raise KeyMissingError(f"unknown set {name!r}; known sets: {', '.join(names())}")
    return known[name.lower()]


def _checked(found: object, name: str) -> SetSpec:
    if not isinstance(found, SetSpec):
        raise SpecError(f"{name}: expected a SetSpec, found {found!r:.60}")
    return found
