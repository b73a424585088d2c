"""Modules of datadings' public sets: classes, colours, and commands that write the sets."""

from __future__ import annotations

from functools import partial
from typing import Any

from thunderlike.datasets import images
from thunderlike.datasets.sets import get, names
from thunderlike.datasets.sets import spec as types
from thunderlike.datasets.sets.yfcc100m import YFCC100mReader

__all__ = ["bitget", "facts", "files", "module"]

_WRITE = "_write"


def bitget(byteval: int, idx: int) -> bool:
    """Return bit `idx` of a number.

    Examples
    --------
    >>> bitget(4, 2), bitget(4, 0)
    (True, False)
    """
    return bool(byteval & (1 << idx))


_MORE: dict[str, dict[str, Any]] = {
    "ADE20k": {"index_to_color": images.index_to_color},
    "VOC2012": {
        "bitget": bitget,
        "class_color_map": images.class_color_map,
        "median_frequency_weights": images.median_frequency_weights,
    },
    "YFCC100m": {"YFCC100mReader": YFCC100mReader},
}


def module(name: str) -> dict[str, Any] | None:
    """Return the contents of a module of ``datadings.sets``; None for an unknown set.

    Examples
    --------
    >>> sorted(module("CIFAR10_write"))
    ['FILES', 'main']
    """
    if name == "types":
        return {maker: getattr(types, maker) for maker in types.TYPES}
    short = name.removesuffix(_WRITE)
    if short not in names():
        return None
    if name.endswith(_WRITE):
        from thunderlike.compat.datadings._commands import command  # the command line

        return {"FILES": files(short), "main": command("datasets", "write", get(short).name)}
    return facts(short)


def facts(name: str) -> dict[str, Any]:
    """Return classes and colours of a set, and functions of its module in datadings."""
    spec = get(name)
    found: dict[str, Any] = {}
    if spec.classes:
        found["CLASSES"] = spec.classes
    if spec.colors:
        found["COLORS"] = spec.colors
        found["index_to_color"] = partial(images.index_to_color, colors=spec.colors)
    return found | _MORE.get(name, {})


def files(name: str) -> dict[str, dict[str, str | None]]:
    """Return the source files of a set, as ``prepare_indir`` takes them."""
    spec = get(name)
    return {
        short: {"path": one.path, "url": one.url, "md5": one.md5}
        for short, one in spec.files(spec.chosen({})).items()
    }
